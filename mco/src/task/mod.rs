//! One coroutine: its memory, its state, and its life from spawn to end.
//!
//! The life of a coroutine, as calls on its [`TaskRef`]:
//!
//! ```text
//!  create ──> queued, stealable ──> start ──> run ──┬─ Parked ──> wake, by anyone ──> queued ──> run
//!                  │                          ^     ├─ Yielded ─> queued at home ────────────────> run
//!                  ├─> start_discarding ──────┘     └─ Finished ─> retire ──> finish
//!                  │   (cancelled)               only on the home worker
//!                  └─> discard_unstarted
//!                      (cancelled and there is nothing to drop, no stack)
//! ```
//!
//! A coroutine that is cancelled before it starts still has to drop its closure. The destructor is user code and
//! may block, so the coroutine starts nevertheless, only to run it.
//!
//! The scheduler calls `start`, `run` and `retire`, on the worker that becomes the coroutine's home. Whether a wake
//! queues the coroutine is decided by [`state`] alone.

#![allow(unsafe_code)]

pub(crate) mod cancel;
#[cfg(feature = "dump")]
pub(crate) mod capture;
pub(crate) mod current;
pub(crate) mod deadline;
mod header;
mod inbox;
mod local;
mod panic_hook;
mod record;
mod registry;
pub(crate) mod stack_check;
mod state;
mod task_waiter;
pub(crate) mod unjoined_panics;
mod unused_result;
#[cfg(all(unix, not(target_arch = "arm"), not(miri)))]
mod unwinder;
mod unwinding;
mod user_code;
pub(crate) mod wait_target;
mod waiter;

/// The atomics of the protocol modules, separate so that the models in `tests/loom` can include those
/// modules and supply loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU8, Ordering};

    /// Between two reads of what another thread will change soon.
    pub(super) fn relax(attempt: u32) {
        if attempt < 7 { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
}

use std::any::Any;
use std::fmt;
use std::panic::{self, Location};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

pub(crate) use current::{has_budget, seeded_yield_point, spend_budget};
use header::{AWAITED, DETACHED, ExitKind, FINISHED, Header};
pub(crate) use header::{Output, RunOutcome, SpawnOptions, TaskRef};
pub(crate) use inbox::{Inbox, Slot};
pub use local::{AccessError, LocalKey};
pub use record::Reason;
pub(crate) use record::{AtomicSite, reason_text};
pub(crate) use registry::Registry;
pub(crate) use task_waiter::wake_task;
pub(crate) use task_waiter::{Polling, TaskWaiter, has_unowned_external_waits, note_own_waker};
pub(crate) use user_code::{UserValue, run_user_code_here};
pub(crate) use waiter::{Blocked, ThreadParker, Waiter, WaiterList, Wakeup};

use crate::fiber::{Body, Fiber, overflow};
use crate::trace;

/// Where a started coroutine lives: its worker, as far as this layer needs to know it.
pub(crate) trait Home: Send + Sync {
    /// Queues a coroutine of this home, on its thread. For the caller whose `notify` saw it parked.
    fn schedule_here(&self, task: TaskRef);

    /// As `schedule_here`, on any other thread.
    fn schedule_from_elsewhere(&self, task: TaskRef);

    /// On this home's thread, by a coroutine that waits: whether `spin_wait` is worth it.
    fn should_spin(&self) -> bool;

    /// On this home's thread, by a coroutine that waits: spins until it `has_happened`, as long as that is worth
    /// it.
    fn spin_wait(&self, has_happened: &mut dyn FnMut() -> bool);

    /// On this home's thread: the test run of its runtime, as the scheduler counts them; 0: none.
    fn test_run(&self) -> u64;

    /// On this home's thread, between two turns: runs `f`, user code, in a coroutine of its own.
    fn run_user_code(&self, f: Box<dyn FnOnce() + Send>);

    /// The coarse clock, in nanoseconds as of [`Timestamp::as_nanos`](crate::clock::Timestamp::as_nanos). It spares
    /// readers the real one.
    fn coarse_clock(&self) -> &AtomicU64;
}

/// Prepares the process: a stack overflow is reported, and a cancel does not unwind out of a panic hook. To be called
/// before the first coroutine starts, any number of times.
pub(crate) fn install_handlers() {
    overflow::install(current::lookup_overflow);
    panic_hook::name_coroutines();
    static HOOK: Once = Once::new();
    // A thread that panics may not change the hook; the next one will.
    if !std::thread::panicking() {
        HOOK.call_once(|| {
            let next = panic::take_hook();
            panic::set_hook(Box::new(move |info| cancel::call_hook(|| next(info))));
        });
    }
}

impl TaskRef {
    /// An unstarted coroutine whose result somebody will ask for.
    pub(crate) fn create<F, T>(f: F, options: SpawnOptions) -> TaskRef
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: the bounds are what is asked for.
        unsafe { TaskRef::allocate(f, false, options) }
    }

    /// A coroutine that runs user code as a destructor: neither a cancel nor the end of the runtime cuts it off.
    pub(crate) fn for_user_code(f: Box<dyn FnOnce() + Send>, options: SpawnOptions) -> TaskRef {
        struct WhenDropped(Option<Box<dyn FnOnce() + Send>>);
        impl Drop for WhenDropped {
            fn drop(&mut self) {
                self.0.take().into_iter().for_each(|f| f());
            }
        }
        let last = WhenDropped(Some(f));
        let task = TaskRef::create(move || drop(last), options);
        // Before it is queued. So it is started for its destructors only.
        task.header().cancelled.store(true, Ordering::Relaxed);
        // SAFETY: there is no handle.
        unsafe { task.detach() }
        task
    }

    /// An unstarted coroutine of a scope, that borrows. Its result `()` does not.
    ///
    /// # Safety
    ///
    /// The closure must have run or been dropped before what it borrows goes away.
    pub(crate) unsafe fn create_scoped<F>(f: F, options: SpawnOptions) -> TaskRef
    where
        F: FnOnce() + Send,
    {
        // SAFETY: `F` is `Send`, `()` borrows nothing, and the caller sees to the closure.
        unsafe { TaskRef::allocate(f, true, options) }
    }

    pub(crate) fn id(&self) -> u64 {
        self.header().options.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.header().options.name.as_deref()
    }

    pub(crate) fn stack_size(&self) -> usize {
        self.header().options.stack_size
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.header().options.spawned_at
    }

    /// Wakes the coroutine, if it is parked, so that it checks again what it waits for.
    pub(crate) fn wake(&self) {
        if let Some(task) = self.header().notify() {
            task.schedule();
        }
    }

    /// Queues a coroutine that `notify` has returned.
    fn schedule(self) {
        let home = self.header().home.get().expect("it was parked at home");
        let here = current::is_home(home);
        trace::wake(self.id(), here, || current::running().is_some());
        if here {
            let home: *const dyn Home = &**home;
            // SAFETY: this is the home's own thread, which holds a reference to it.
            unsafe { &*home }.schedule_here(self);
        } else {
            // Of its own, since the coroutine may be gone before this returns.
            let home = home.clone();
            home.schedule_from_elsewhere(self);
        }
    }

    /// Leaves the permit for the coroutine's `park`.
    pub(crate) fn unpark(&self) {
        self.header().permit.store(true, Ordering::Release);
        self.wake();
    }

    /// Takes the permit that [`TaskRef::unpark`] leaves.
    pub(crate) fn take_permit(&self) -> bool {
        self.header().permit.swap(false, Ordering::Acquire)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.header().is_finished()
    }

    /// Adds a waiter for the end of the coroutine. `false`: it has ended.
    pub(crate) fn add_joiner(&self, waiter: Waiter) -> bool {
        let mut joiners = self.header().joiners.lock();
        // Acquire pairs with the Release of `finish`. Under the lock: a `finish` that sees
        // `AWAITED` finds the waiter in the list.
        if self.header().completion.fetch_or(AWAITED, Ordering::Acquire) & FINISHED != 0 {
            return false;
        }
        let replaced = joiners.add(waiter);
        drop(joiners);
        drop(replaced);
        true
    }

    pub(crate) fn remove_joiner(&self, waiter: &Waiter) {
        // Dropped without the lock.
        let _removed = self.header().joiners.lock().remove(waiter);
    }

    /// Takes the result. For the holder of the handle, which is used up by it.
    ///
    /// # Safety
    ///
    /// `T` must be the coroutine's result type; it must have finished; to be called once, and
    /// `detach` not at all.
    pub(crate) unsafe fn output<T>(&self) -> Output<T> {
        debug_assert!(self.is_finished());
        // SAFETY: the caller's promise.
        let output = unsafe { self.take_output() };
        if output.is_err() {
            unjoined_panics::forget(self.id());
        }
        output
    }

    /// Drops the handle without asking for the result.
    ///
    /// # Safety
    ///
    /// To be called once, by the holder of the handle, and `output` not at all.
    pub(crate) unsafe fn detach(&self) {
        // Release and Acquire pair with those of `finish`: whoever comes second drops the result.
        if self.header().completion.fetch_or(DETACHED, Ordering::AcqRel) & FINISHED != 0 {
            // SAFETY: it has finished, and the handle is gone by the caller's promise.
            unsafe { self.drop_output() }
        }
    }

    /// Publishes the result and wakes those who wait for it. Returns the result if nobody will ask for it
    /// and its destructor is user code.
    fn finish(&self) -> Option<UnclaimedResult> {
        let header = self.header();
        let before = header.completion.fetch_or(FINISHED, Ordering::AcqRel);
        // SAFETY: finished, and nobody holds the handle.
        let is_unclaimed = before & DETACHED != 0 && unsafe { self.has_user_output() };
        if before & AWAITED != 0 {
            let joiners = std::mem::take(&mut *header.joiners.lock());
            joiners.wake_all();
        }
        is_unclaimed.then(|| UnclaimedResult(self.clone()))
    }
}

/// A result that nobody will ask for. It has to be dropped where its destructor may block.
pub(crate) struct UnclaimedResult(TaskRef);

impl Drop for UnclaimedResult {
    fn drop(&mut self) {
        // SAFETY: made by `finish`, when the coroutine had finished and its handle was gone.
        unsafe { self.0.drop_output() }
    }
}

/// Names the coroutine in messages.
impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}

/// As that of [`TaskRef`].
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SpawnOptions { id, name, spawned_at, .. } = &self.options;
        match name {
            Some(name) => write!(f, "coroutine `{name}` (id {id}, ")?,
            None => write!(f, "coroutine {id} (")?,
        }
        write!(f, "spawned at {spawned_at})")
    }
}

/// The scheduler's side: each call is for the worker that has taken the coroutine out of a queue,
/// on that worker's thread, outside any coroutine.
impl TaskRef {
    /// Whether the coroutine has started, and is bound to its home.
    pub(crate) fn has_started(&self) -> bool {
        self.header().home.get().is_some()
    }

    /// By the worker that has it queued: has the processor look up the address of its stack.
    #[inline]
    pub(crate) fn look_up_stack(&self) {
        // SAFETY: as the block above says of all its calls.
        if let Some(fiber) = unsafe { self.header().fiber() } {
            fiber.look_up();
        }
    }

    /// By the same, some time after `prefetch_header`: has the processor fetch the frame in which it resumes.
    #[inline]
    pub(crate) fn prefetch_stack(&self) {
        // SAFETY: as the block above says of all its calls.
        let (fiber, frame) =
            unsafe { (self.header().fiber(), self.header().with_home_only(|own| own.frame)) };
        if let Some(fiber) = fiber {
            fiber.prefetch(frame);
        }
    }

    /// Binds an unstarted coroutine to this worker and gives it a stack. `run` begins it.
    pub(crate) fn start(&self, fiber: Fiber, home: Arc<dyn Home>) {
        // SAFETY: see `start_with`.
        self.start_with(fiber, home, unsafe { self.body() });
    }

    /// As `start`, but the coroutine only drops its closure.
    pub(crate) fn start_discarding(&self, fiber: Fiber, home: Arc<dyn Home>) {
        // SAFETY: see `start_with`.
        self.start_with(fiber, home, unsafe { self.discarding_body() });
    }

    /// The caller is the home worker now and will run the body; `run` is called by that worker only, which
    /// holds a reference meanwhile.
    #[inline(always)]
    fn start_with(&self, mut fiber: Fiber, home: Arc<dyn Home>, body: Body) {
        assert!(self.header().home.set(home).is_ok(), "a coroutine starts once");
        // SAFETY: as above. Nobody else looks at the stack.
        unsafe {
            fiber.prepare(body);
            *self.header().fiber() = Some(fiber);
        }
    }

    /// Runs a started coroutine until it suspends or ends, and says which.
    #[inline(always)]
    pub(crate) fn run(&self) -> RunOutcome {
        // SAFETY: as the block above says of all its calls.
        unsafe { current::run(self) }
    }

    /// After `run`: how the turn has ended, for a trace.
    #[inline(always)]
    pub(crate) fn trace_end(&self, pause: RunOutcome) -> trace::SliceEnd {
        match pause {
            RunOutcome::Parked => self.header().record.as_end(),
            RunOutcome::Yielded => trace::SliceEnd::YIELDED,
            // SAFETY: as the block above says of all its calls.
            RunOutcome::Finished => match unsafe { self.header().with_home_only(|o| o.outcome) } {
                ExitKind::Returned => trace::SliceEnd::RETURNED,
                ExitKind::Panicked => trace::SliceEnd::PANICKED,
                ExitKind::Cancelled => trace::SliceEnd::CANCELLED,
            },
        }
    }

    /// After `Parked`: from here on the coroutine holds the reference on itself that the next
    /// effective `wake` takes over.
    pub(crate) fn leave_parked(self) {
        let _: NonNull<_> = self.into_raw();
    }

    /// After a suspension: makes the coroutine visible in the worker's registry.
    pub(crate) fn enter(&self, registry: &Registry) {
        // SAFETY: on the home worker's thread, outside the coroutine.
        unsafe {
            self.header().with_home_only(|own| {
                own.registered.get_or_insert_with(|| registry.add(self.clone()));
            });
        }
    }

    /// After `Finished`: takes the stack back and lets those who wait for the end go on.
    #[must_use = "its destructor may block"]
    pub(crate) fn retire(
        self,
        registry: &Registry,
        give_back: impl FnOnce(Fiber),
    ) -> Option<UnclaimedResult> {
        // SAFETY: on the home worker's thread, outside the coroutine, which will not run again.
        let (fiber, registered) = unsafe {
            (self.header().fiber().take(), self.header().with_home_only(|o| o.registered.take()))
        };
        if let Some(key) = registered {
            registry.remove(key);
        }
        give_back(fiber.expect("a coroutine that ran has a stack"));
        self.finish()
    }

    /// Ends a coroutine that has not started: its closure is dropped here, and its result is `Err` of
    /// the payload, or of [`Cancelled`](crate::coroutine::Cancelled). Does not unwind.
    ///
    /// A worker between two turns must not call it if the closure has a destructor, unless no other thread is
    /// available.
    pub(crate) fn discard_unstarted(self, payload: Option<Box<dyn Any + Send>>) {
        debug_assert!(!self.has_started());
        user_code::run_user_code_here(|| {
            // SAFETY: it is unstarted and was taken out of its queue.
            unsafe { self.discard(payload.unwrap_or_else(cancel::before_start)) };
            drop(self.finish());
        });
    }
}
