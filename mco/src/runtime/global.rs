//! The global runtime, and spawning on the current one.

use std::io;
use std::panic::Location;
use std::sync::Arc;

use once_cell::sync::OnceCell;

#[cfg(feature = "calendar")]
use crate::clock;
#[cfg(all(unix, feature = "dump"))]
use crate::inspect::sigquit;
use crate::scheduler::{self, Scheduler, Settings};
use crate::task::{SpawnOptions, TaskRef, stack_check};
use crate::{defaults, runtime_thread};

/// The runtime of the plain threads, and of `#[mco::main]`. Never dropped.
static GLOBAL: OnceCell<Arc<Scheduler>> = OnceCell::new();

/// The scheduler of the global runtime, which is started if need be.
pub(crate) fn try_scheduler() -> io::Result<&'static Arc<Scheduler>> {
    GLOBAL.get_or_try_init(|| {
        runtime_thread::on_raw_thread(|| {
            start(Settings {
                name: "mco".to_owned(),
                workers: defaults::workers(),
                stack_size: None,
                pool_capacity: defaults::pool_capacity(),
                virtual_clock: None,
                seed: None,
                test_run: 0,
            })
        })
    })
}

/// As [`try_scheduler`], for those who cannot return an error.
///
/// # Panics
///
/// If it cannot start.
pub(crate) fn scheduler() -> Arc<Scheduler> {
    let scheduler = try_scheduler();
    scheduler
        .unwrap_or_else(|error| panic!("mco: the global runtime cannot start: {error}"))
        .clone()
}

/// Starts the global runtime, unless the caller has one of its own.
pub(crate) fn start_if_needed() -> io::Result<()> {
    if scheduler::with_current(|_| ()).is_none() {
        try_scheduler()?;
    }
    Ok(())
}

/// Starts the workers of a runtime.
///
/// # Errors
///
/// As [`Builder::build`](crate::runtime::Builder::build) says.
pub(super) fn start(settings: Settings) -> io::Result<Arc<Scheduler>> {
    const MAX_WORKERS: usize = 4096;
    // While there may be only one thread.
    #[cfg(feature = "calendar")]
    clock::local_offset();
    #[cfg(all(unix, feature = "dump"))]
    sigquit::install_if_asked();
    #[cfg(not(feature = "dump"))]
    report_no_dump();
    let workers = settings.workers;
    if workers == 0 || workers > MAX_WORKERS {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "a runtime of {workers} workers: ask for 1 to {MAX_WORKERS}, or leave `workers` \
                 out for one for each processor"
            ),
        ));
    }
    let scheduler = Scheduler::start(settings).map_err(|error| {
        if error.kind() == io::ErrorKind::Unsupported {
            return error;
        }
        let text = format!(
            "a runtime of {workers} workers could not start: {error}; ask for fewer, or raise \
             the limit of threads (`ulimit -u`) or descriptors (`ulimit -n`)"
        );
        io::Error::new(error.kind(), text)
    })?;
    stack_check::prepare();
    Ok(scheduler)
}

/// Without the feature `dump`: reports that if dumps were asked for.
#[cfg(not(feature = "dump"))]
fn report_no_dump() {
    static ASKED: std::sync::Once = std::sync::Once::new();
    ASKED.call_once(|| {
        if std::env::var_os("MCO_DUMP").is_some_and(|value| value == "1") {
            crate::report::say(format_args!(
                "`SIGQUIT` prints no dump: `MCO_DUMP` is set, but `mco` is built without its feature `dump`"
            ));
        }
    });
}

/// Calls `f` with the scheduler of the current worker, or the global one.
pub(super) fn with_current<R>(f: impl Fn(&Arc<Scheduler>) -> R) -> R {
    scheduler::with_current(&f).unwrap_or_else(|| f(&scheduler()))
}

/// Spawns a coroutine on the current runtime, or the global one: `create` makes it.
pub(crate) fn spawn_current(
    name: Option<String>,
    stack_size: Option<usize>,
    site: &'static Location<'static>,
    create: impl FnOnce(SpawnOptions) -> TaskRef,
) -> TaskRef {
    let create = |scheduler: &Scheduler| {
        let mut options = options_at(stack_size, site)(scheduler);
        options.name = name.map(String::into_boxed_str);
        create(options)
    };
    scheduler::spawn_here(create).unwrap_or_else(|create| {
        let scheduler = scheduler();
        let task = create(&scheduler);
        scheduler.spawn(task.clone());
        task
    })
}

/// The same for a timer, by the worker that fires it: behind those of earlier ones.
pub(crate) fn spawn_from_timer(
    site: &'static Location<'static>,
    create: impl FnOnce(SpawnOptions) -> TaskRef,
) -> TaskRef {
    let task = create(with_current(|scheduler| options_at(None, site)(scheduler)));
    with_current(|scheduler| scheduler.spawn_from_timer(task.clone()));
    task
}

fn options_at(
    stack_size: Option<usize>,
    site: &'static Location<'static>,
) -> impl Fn(&Scheduler) -> SpawnOptions {
    move |scheduler| {
        let stack_size = stack_size.unwrap_or_else(|| scheduler.stack_size());
        scheduler::spawn_options(None, stack_size, site)
    }
}
