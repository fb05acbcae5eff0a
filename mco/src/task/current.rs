//! The coroutine that runs on this thread, and how it switches away.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "dump")]
use super::capture;
use super::header::{Header, HomeOnly, RunOutcome};
use super::record::Reason;
use super::wait_target::WaitInfo;
use super::{Home, TaskRef, cancel, stack_check};
use crate::fiber::{Bounds, Suspender, overflow};
use crate::random;

/// How many operations of the runtime a coroutine may complete without blocking before it lets
/// the others run.
const BUDGET: u32 = 128;

thread_local! {
    /// Set by the worker around each run. Plain cells with no destructor: a coroutine never
    /// changes its thread, so reading one costs an instruction, and the signal handler may do it.
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
    static BUDGET_LEFT: Cell<u32> = const { Cell::new(BUDGET) };
    /// What a run begins with: [`BUDGET`], or 0 if each operation is to ask [`should_yield`].
    static INITIAL_BUDGET: Cell<u32> = const { Cell::new(BUDGET) };
    /// With a seed: one of so many operations yields, which one is random. Else 0.
    static YIELD_ONE_IN: Cell<usize> = const { Cell::new(0) };
    /// The address of this thread's home, if it is a worker's. Only compared.
    static HOME: Cell<*const ()> = const { Cell::new(ptr::null()) };
    /// The home of this thread, if it is a worker's.
    static THE_HOME: Cell<Option<NonNull<dyn Home>>> = const { Cell::new(None) };
    /// The coarse clock of the home of this thread.
    static CLOCK: Cell<*const AtomicU64> = const { Cell::new(&raw const NO_CLOCK) };
    /// So many more waits may be for a reply: see [`expects_reply`].
    static REPLY_WAITS: Cell<u8> = const { Cell::new(0) };
}

/// The coarse clock of threads that are no worker's.
static NO_CLOCK: AtomicU64 = AtomicU64::new(0);

/// Makes this the thread of `home`, which the caller keeps until [`leave_home`].
pub(crate) fn enter_home(home: &Arc<dyn Home>) {
    HOME.set(Arc::as_ptr(home).cast());
    THE_HOME.set(Some(NonNull::from(&**home)));
    CLOCK.set(home.coarse_clock());
}

/// Whether this is the thread of `home`.
#[inline]
pub(super) fn is_home(home: &Arc<dyn Home>) -> bool {
    HOME.get() == Arc::as_ptr(home).cast()
}

/// At the end of the home's thread.
pub(crate) fn leave_home() {
    HOME.set(ptr::null());
    THE_HOME.set(None);
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
    let home = THE_HOME.get().filter(|_| is_between_turns());
    if let Some(home) = home {
        // SAFETY: it is kept until `leave_home`, on this thread.
        f(unsafe { home.as_ref() });
    }
    home.is_some()
}

/// Reads the coarse clock of this thread's home.
#[inline]
fn coarse_now() -> u64 {
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

/// The coroutine that runs on this thread, if one does.
#[inline]
pub(crate) fn running() -> Option<Running> {
    RUNNING.get()
}

/// A reference to the coroutine that runs on this thread.
pub(crate) fn task() -> Option<TaskRef> {
    running().map(|running| running.task())
}

impl Running {
    pub(super) fn header(&self) -> &Header {
        // SAFETY: `Running` is copied out of `RUNNING`, which is set while the worker that runs
        // the coroutine holds a reference to it. The copies stay on this thread, in the frames of
        // the coroutine, which do not outlive the run or are suspended with it.
        unsafe { self.header.as_ref() }
    }

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

    /// Suspends the coroutine until it is notified, or not at all if it has been. May return early. A cancel notifies
    /// it, and has no other effect here. To be called on its own stack only.
    #[inline(always)]
    pub(crate) fn park(self, reason: Reason, site: &'static Location<'static>, info: &WaitInfo) {
        let header = self.header();
        header.record.set(reason, site, coarse_now(), info);
        if header.state.park() {
            self.switch(RunOutcome::Parked);
        }
        header.record.clear();
    }

    /// Whether to spin rather than to suspend.
    #[inline(never)]
    pub(crate) fn should_spin(self) -> bool {
        self.header().home.get().is_some_and(|h| h.should_spin())
    }

    /// Spins until it `has_happened`, as long as that is better than to suspend.
    pub(crate) fn spin_wait(self, has_happened: &mut dyn FnMut() -> bool) {
        if let Some(home) = self.header().home.get() {
            home.spin_wait(has_happened);
        }
    }

    /// Lets the others run first. To be called on its own stack only.
    #[inline(always)]
    pub(crate) fn reschedule(self) {
        self.switch(RunOutcome::Yielded);
    }

    /// As `reschedule`, and then unwinds if the coroutine is cancelled or out of time. If it unwound before, a
    /// coroutine that catches that and tries again would never let the others run. Does nothing where the coroutine
    /// must not switch.
    #[inline(always)]
    pub(crate) fn yield_now(self, site: &'static Location<'static>) {
        let depth = 0u8;
        if stack_check::refusal(Some(self), site, (&raw const depth).addr()).is_some() {
            return;
        }
        self.reschedule();
        cancel::check(self);
    }

    #[inline(always)]
    fn switch(self, pause: RunOutcome) {
        let frame = 0u8;
        self.with_home_only(|own| {
            own.pause = pause;
            own.frame = (&raw const frame).addr();
        });
        // SAFETY: `self` is the coroutine that runs on this thread, so this is its fiber; and its callers have
        // checked that it is on no other stack.
        unsafe { self.suspender.suspend() }
        #[cfg(feature = "dump")]
        if capture::is_asked_for() {
            self.capture();
        }
    }

    /// By a coroutine that has been resumed for its backtrace alone: takes it and suspends again, until it is resumed
    /// to go on.
    #[cfg(feature = "dump")]
    #[cold]
    #[inline(never)]
    fn capture(self) {
        while capture::is_asked_for() {
            // SAFETY: as in `switch`.
            unsafe {
                capture::answer(self.suspender.bounds());
                self.suspender.suspend();
            }
        }
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

/// Counts an operation that may have to wait, and is documented to. To be called before it, so that nothing
/// is lost if the coroutine is cancelled here.
///
/// An operation that never has to wait must not call it: its callers hold std locks and borrows of
/// thread-locals across it, which the next coroutine of this thread would meet, and a panic hook or a
/// destructor may be among them.
#[inline(always)]
pub(crate) fn spend_budget() {
    #[cold]
    fn reschedule() {
        if let Some(running) = running()
            && should_yield()
        {
            running.yield_now(Location::caller());
        }
    }

    let left = BUDGET_LEFT.get();
    if left > 0 {
        BUDGET_LEFT.set(left - 1);
    } else {
        reschedule();
    }
}

/// As `spend_budget`, for the poll of a future, where a coroutine must not switch: its callers may hold
/// locks that others on this thread take. `false`: the others' turn has come, so the future is to wake its
/// task and to be pending. [`block_on`](crate::block_on()) then reschedules.
pub(crate) fn has_budget() -> bool {
    let left = BUDGET_LEFT.get();
    if left > 0 {
        BUDGET_LEFT.set(left - 1);
        return true;
    }
    if YIELD_ONE_IN.get() == 0 {
        // Once: who polls without regard to this would else get nowhere.
        BUDGET_LEFT.set(BUDGET);
    }
    running().is_none() || !should_yield()
}

/// At the end of an operation that may wait, is documented to, and has not, but has woken others. With a seed it may
/// let them run first; otherwise it does nothing. Never unwinds.
#[inline(always)]
pub(crate) fn seeded_yield_point() {
    #[cold]
    fn reschedule() {
        if let Some(running) = running()
            && YIELD_ONE_IN.get() != 0
            && should_yield()
            && !std::thread::panicking()
            && stack_check::refusal(Some(running), Location::caller(), (&raw const running).addr())
                .is_none()
        {
            running.reschedule();
        }
    }

    if BUDGET_LEFT.get() == 0 {
        reschedule();
    }
}

/// Without budget: whether to yield.
fn should_yield() -> bool {
    match YIELD_ONE_IN.get() {
        0 => true,
        one_in => random::below(one_in) == 0,
    }
}

/// From here on, one of so many operations of the coroutines on this thread yields; which one is random.
pub(crate) fn set_yield_probability(one_in: usize) {
    YIELD_ONE_IN.set(one_in);
    INITIAL_BUDGET.set(0);
}

/// Runs a coroutine that has been started, until it suspends or ends.
///
/// # Safety
///
/// The caller must be its home worker, outside any coroutine, and hold a reference to it.
#[inline(always)]
pub(super) unsafe fn run(task: &TaskRef) -> RunOutcome {
    let header = task.header();
    // SAFETY: the home worker is here, so the coroutine does not run, and nobody else looks.
    let fiber = unsafe { header.fiber() }.as_mut().expect("a started coroutine has a stack");
    header.state.begin();
    RUNNING.set(Some(Running { header: task.as_raw(), suspender: fiber.suspender() }));
    BUDGET_LEFT.set(INITIAL_BUDGET.get());
    fiber.resume();
    RUNNING.set(None);
    // SAFETY: as above.
    unsafe { header.with_home_only(|own| own.pause) }
}

/// Resumes a coroutine for its backtrace alone. See [`capture`].
///
/// # Safety
///
/// The caller must be its home worker, outside any coroutine, hold a reference to it, and the
/// coroutine be suspended in [`Running::switch`].
#[cfg(feature = "dump")]
pub(super) unsafe fn resume_to_capture(task: &TaskRef) {
    let header = task.header();
    // SAFETY: as in `run`.
    let fiber = unsafe { header.fiber() }.as_mut().expect("a suspended coroutine has a stack");
    RUNNING.set(Some(Running { header: task.as_raw(), suspender: fiber.suspender() }));
    fiber.resume();
    RUNNING.set(None);
}

/// Tells the signal handler about the coroutine that runs on this thread, if `address` lies in
/// the guard of its stack. See [`overflow::Lookup`].
pub(super) fn lookup_overflow(address: usize, found: &mut dyn FnMut(overflow::Victim<'_>)) {
    let Some(running) = running() else { return };
    let header = running.header();
    // SAFETY: the coroutine runs on this thread, so its fiber is alive.
    if unsafe { running.suspender.bounds() }.is_guard(address) {
        found(overflow::Victim {
            name: header.options.name.as_deref(),
            id: header.options.id,
            spawned_at: header.options.spawned_at,
            stack_size: header.options.stack_size,
        });
    }
}
