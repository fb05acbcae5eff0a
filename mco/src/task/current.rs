//! What this thread is: the coroutine that runs on it now, and the home whose thread it is.
//!
//! Who may call: anyone, about the own thread. Set by the worker alone: its home at the beginning and the end of its
//! thread, the coroutine around each run ([`switch`](super::switch)); and taken away from a coroutine that ends the
//! process, by [`leave_home_for_exit`].

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cell::{Header, Home, HomeEntry, HomeOnly, TaskRef};
use super::unwind::cause::CancelCause;
use crate::fiber::{Bounds, Suspender};

thread_local! {
    /// Set by the worker around each run. Plain cells with no destructor: a coroutine never
    /// changes its thread, so reading one costs an instruction, and the signal handler may do it.
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
    /// The home of this thread, if it is a worker's. Its [`HomeGuard`] keeps it.
    static HOME: Cell<*const HomeEntry> = const { Cell::new(ptr::null()) };
    /// The coarse clock of the home of this thread.
    static CLOCK: Cell<*const AtomicU64> = const { Cell::new(&raw const NO_CLOCK) };
    /// So many more waits may be for a reply: see [`expects_reply`].
    static REPLY_WAITS: Cell<u8> = const { Cell::new(0) };
}

/// The coarse clock of threads that are no worker's.
static NO_CLOCK: AtomicU64 = AtomicU64::new(0);

/// Keeps the home of a thread until it is dropped, at the end of the thread.
pub(crate) struct HomeGuard(NonNull<HomeEntry>);

/// Makes this the thread of `home`.
pub(crate) fn enter_home(home: Arc<dyn Home>) -> HomeGuard {
    let entry = Box::leak(Box::new(HomeEntry { home, hosted: Cell::new(0) }));
    HOME.set(entry);
    CLOCK.set(entry.home.coarse_clock());
    HomeGuard(NonNull::from(entry))
}

impl Drop for HomeGuard {
    fn drop(&mut self) {
        leave_home();
        // SAFETY: it was leaked by `enter_home`, and nobody frees it but this.
        let entry = unsafe { self.0.as_ref() };
        // A worker ends when it hosts nothing any more. If it did so too early, the coroutines would point to nothing.
        if entry.hosted.get() == 0 {
            // SAFETY: as above; coroutines that have ended do not look at it.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

/// The home of this thread, if it is a worker's.
#[inline(always)]
pub(super) fn home() -> Option<NonNull<HomeEntry>> {
    NonNull::new(HOME.get().cast_mut())
}

/// Whether this is the thread on which the coroutine lives. Where it has not started, that is said of no worker's
/// thread.
#[inline(always)]
pub(super) fn is_home_of(header: &Header) -> bool {
    HOME.get() == header.home.address()
}

/// From here on this is a plain thread.
pub(crate) fn leave_home() {
    HOME.set(ptr::null());
    CLOCK.set(&raw const NO_CLOCK);
}

/// By a coroutine that ends the process: from here on this is a plain thread like any other.
pub(super) fn leave_home_for_exit() {
    RUNNING.set(None);
    leave_home();
}

/// Whether this thread is a worker's, between two turns.
#[inline]
pub(crate) fn is_between_turns() -> bool {
    RUNNING.get().is_none() && !HOME.get().is_null()
}

/// Calls `f` with the home of this thread, if it is a worker's and between two turns.
pub(super) fn with_home_between_turns(f: impl FnOnce(&dyn Home)) -> bool {
    let home = home().filter(|_| is_between_turns());
    if let Some(home) = home {
        // SAFETY: it is kept until `leave_home`, on this thread.
        f(&*unsafe { home.as_ref() }.home);
    }
    home.is_some()
}

/// Reads the coarse clock of this thread's home.
#[inline]
pub(super) fn coarse_now() -> u64 {
    // SAFETY: a constant, or of the home, which is kept as long as this is its thread.
    unsafe { (*CLOCK.get()).load(Ordering::Relaxed) }
}

/// Notes that this thread has woken a coroutine of another one.
pub(crate) fn note_remote_wake() {
    /// In an exchange one side is sometimes so quick that the other is not waiting yet when it sends. Then it wakes
    /// nobody, and the reply comes as soon as ever. Twice in a row that is rare.
    const WAITS: u8 = 3;
    REPLY_WAITS.set(WAITS);
}

/// Whether a wait that begins now may be for a reply: this thread [woke a coroutine of another one](note_remote_wake)
/// before it, or before one of the last few waits.
///
/// A thread that wakes nobody elsewhere, such as the consumer of a stream, should rather let values gather: to take
/// each one at once would move the channel to and fro between caches.
#[inline]
pub(crate) fn expects_reply() -> bool {
    let left = REPLY_WAITS.get();
    REPLY_WAITS.set(left.saturating_sub(1));
    left > 0
}

/// As [`expects_reply`], without counting a wait.
#[inline(always)]
pub(crate) fn may_expect_reply() -> bool {
    REPLY_WAITS.get() > 0
}

/// Notes that an expected reply has not come.
pub(crate) fn note_no_reply() {
    REPLY_WAITS.set(0);
}

/// The coroutine that runs on this thread, for its own use. It is alive as long as its code executes.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    header: NonNull<Header>,
    suspender: Suspender,
}

/// From here on `task` runs on this thread, on the stack of `suspender`.
///
/// # Safety
///
/// The caller must be its home worker, outside any coroutine, and hold a reference to it until it
/// [leaves](leave).
#[inline(always)]
pub(super) unsafe fn enter(task: &TaskRef, suspender: Suspender) {
    RUNNING.set(Some(Running { header: task.as_raw(), suspender }));
}

/// By the same: none runs any more.
#[inline(always)]
pub(super) fn leave() {
    RUNNING.set(None);
}

/// The coroutine that runs on this thread, if one does.
#[inline]
pub(crate) fn running() -> Option<Running> {
    RUNNING.get()
}

/// The bounds of the stack of the coroutine that runs on this thread, if it has this number. For signal handlers: it
/// may come between any two instructions of this thread's.
#[cfg(all(
    feature = "backtrace",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(super) fn bounds_if_running(id: u64) -> Option<Bounds> {
    // Of what is set in several steps only the first word is looked at: whichever coroutine it names is alive, since its
    // worker has a reference, and has a stack, since it is set after that and taken back before it goes.
    let running = RUNNING.get().filter(|running| running.id() == id)?;
    // SAFETY: as above; and the worker, which is interrupted here, borrows the stack for no more than a resume.
    let fiber = unsafe { running.header().fiber() }.as_ref();
    fiber.map(|fiber| fiber.bounds())
}

/// A reference to the coroutine that runs on this thread.
pub(crate) fn task() -> Option<TaskRef> {
    running().map(|running| running.task())
}

impl Running {
    #[inline]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: `Running` is copied out of `RUNNING`, which is set while the worker that runs
        // the coroutine holds a reference to it. The copies stay on this thread, in the frames of
        // the coroutine, which do not outlive the run or are suspended with it.
        unsafe { self.header.as_ref() }
    }

    #[inline]
    pub(super) fn as_raw(&self) -> NonNull<Header> {
        self.header
    }

    pub(crate) fn task(&self) -> TaskRef {
        // SAFETY: as in `header`.
        unsafe { TaskRef::from_borrowed(self.header) }
    }

    pub(super) fn with_home_only<R>(&self, f: impl FnOnce(&mut HomeOnly) -> R) -> R {
        // SAFETY: this is the coroutine's own thread, and all uses in this crate are short,
        // neither nested nor suspended, and run no user code.
        unsafe { self.header().with_home_only(f) }
    }

    /// The bounds of its stack.
    #[inline(always)]
    pub(super) fn bounds(&self) -> Bounds {
        // SAFETY: the coroutine runs, so its fiber is alive.
        unsafe { self.suspender.bounds() }
    }

    /// How it switches away.
    #[inline(always)]
    pub(super) fn suspender(self) -> Suspender {
        self.suspender
    }

    /// The address of its outermost frame; all others are further in.
    pub(super) fn base(self) -> usize {
        // SAFETY: the coroutine runs, so its fiber is alive.
        unsafe { self.suspender.base() }
    }

    /// Whether the caller is on the coroutine's own stack: elsewhere it cannot suspend.
    #[inline(always)]
    pub(crate) fn is_on_own_stack(self) -> bool {
        // SAFETY: the coroutine runs on this thread, so its fiber is alive.
        unsafe { self.suspender.is_here() }
    }

    /// Whether to spin rather than to suspend.
    #[inline(never)]
    pub(crate) fn should_spin(self) -> bool {
        self.home().is_some_and(|home| home.should_spin())
    }

    /// Spins until it `has_happened`, as long as that is better than to suspend.
    pub(crate) fn spin_wait(self, has_happened: &mut dyn FnMut() -> bool) {
        if let Some(home) = self.home() {
            home.spin_wait(has_happened);
        }
    }

    /// The worker on which it lives.
    pub(super) fn home(&self) -> Option<&Arc<dyn Home>> {
        // SAFETY: it runs.
        unsafe { self.header().home.get() }
    }

    /// Why it is cancelled, if it is.
    pub(super) fn cancel_cause(self) -> Option<Arc<CancelCause>> {
        self.header().cancel_cause()
    }

    /// Its number.
    #[inline]
    pub(crate) fn id(self) -> u64 {
        self.header().options.id
    }
}

/// Whether the calling coroutine is on its own stack. In a thread there is no other one.
pub(crate) fn is_on_own_stack() -> bool {
    running().is_none_or(Running::is_on_own_stack)
}
