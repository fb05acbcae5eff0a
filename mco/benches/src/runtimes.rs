//! How each runtime is started, for all rows alike.

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::time::Duration;

/// Whose figure it is: a column of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Mco,
    /// mco, recording what happens when.
    Traced,
    Tokio,
    /// flume's channels between tokio's tasks.
    Flume,
    May,
    /// No runtime at all: threads that wait in `epoll_wait`.
    Epoll,
    /// Of the program in `go/`, where there is a Go to build it.
    Go,
}

impl Runtime {
    pub(crate) const ALL: [Self; 7] =
        [Self::Mco, Self::Traced, Self::Tokio, Self::Flume, Self::May, Self::Epoll, Self::Go];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mco => "mco",
            Self::Traced => "traced",
            Self::Tokio => "tokio",
            Self::Flume => "flume",
            Self::May => "may",
            Self::Epoll => "epoll",
            Self::Go => "go",
        }
    }

    /// Whether mco is held against it when the best peer is asked for. The raw loop is a floor, not a peer.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Self::Mco | Self::Traced | Self::Epoll)
    }
}

/// The conditions that all runtimes of a session share.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) workers: usize,
    /// Bytes of a coroutine's stack; `None` is each runtime's own default.
    pub(crate) stack_size: Option<usize>,
    /// The shortest measurement.
    pub(crate) at_least: Duration,
    /// How many stacks of finished coroutines mco and May keep; `None` is each one's default.
    pub(crate) kept_stacks: Option<usize>,
}

impl Setup {
    pub(crate) fn with_stacks_of(self, bytes: usize) -> Self {
        Self { stack_size: Some(bytes), ..self }
    }

    pub(crate) fn keeping(self, stacks: usize) -> Self {
        Self { kept_stacks: Some(stacks), ..self }
    }
}

/// Runs `body` as a coroutine of a runtime of mco.
///
/// Like the others it leaves the runtime as it is: the process ends with the figure, and what is still asleep then
/// need not be woken.
pub(crate) fn on_mco<T: Send>(setup: &Setup, body: impl FnOnce() -> T + Send) -> T {
    if let Some(stacks) = setup.kept_stacks {
        mco::config().set_pool_capacity(stacks);
    }
    let mut builder = mco::runtime::Runtime::builder().workers(setup.workers);
    if let Some(bytes) = setup.stack_size {
        builder = builder.stack_size(bytes);
    }
    let runtime = ManuallyDrop::new(builder.build().expect("mco's runtime did not start"));
    runtime.run(body)
}

/// Runs `body` as a task on a worker of tokio's multi-threaded runtime, not on the thread that waits for it.
pub(crate) fn on_tokio<T: Send + 'static>(
    setup: &Setup,
    body: impl Future<Output = T> + Send + 'static,
) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(setup.workers)
        .enable_all()
        .build()
        .expect("tokio's runtime did not start");
    let runtime = ManuallyDrop::new(runtime);
    runtime.block_on(async { tokio::spawn(body).await.expect("the task panicked") })
}

/// Runs `body` as a coroutine of May. Its runtime is the process's: the first call decides about workers and stacks.
pub(crate) fn on_may<T: Send + 'static>(
    setup: &Setup,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    may::config().set_workers(setup.workers);
    if let Some(bytes) = setup.stack_size {
        may::config().set_stack_size(bytes / size_of::<usize>());
    }
    if let Some(stacks) = setup.kept_stacks {
        may::config().set_pool_capacity(stacks);
    }
    may_spawn(body).join().expect("the coroutine panicked")
}

/// `may::coroutine::spawn`, for the bodies of this program only.
pub(crate) fn may_spawn<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> may::coroutine::JoinHandle<T> {
    // SAFETY: May asks that a coroutine does not use thread-locals across a suspension, as it may go on in another
    // thread, and that it does not overflow its stack. The bodies of the rows hold counters, handles and heap buffers,
    // name no thread-local, and call nothing deeper than `Vec`, channels and sockets.
    unsafe { may::coroutine::spawn(body) }
}
