//! The memory of one coroutine, whatever the types of its closure and result are: the types of its parts, and access
//! to them. What happens to a coroutine is above.
//!
//! A coroutine is one allocation, [`TaskCell<F, T>`](super::body): the [`Header`] first, then the closure and the
//! result. [`TaskRef`] is a counted reference to it that has forgotten `F` and `T`; the
//! header's table of functions remembers them. Who may touch what:
//!
//! | field | touched by |
//! | --- | --- |
//! | the closure | the creator until the coroutine is queued; then whoever runs or discards it |
//! | the result | the coroutine until `FINISHED`; then the holder of the `JoinHandle` |
//! | `fiber` | the home worker, between runs and to resume it |
//! | `HomeOnly` | the creator until the coroutine is queued; then the home worker's thread |
//! | the rest | anyone: it is constant or atomic |
//!
//! A header keeps a list of those who wait for the end, and these are coroutines, too: so the types of those who
//! wait are here, and what they do is above ([`waiter`](super::waiter), [`task_waiter`](super::task_waiter)).
//!
//! Three things go up from here at run time: the functions of the table, to the closure; [`Home`], to the
//! scheduler; and the destructor of a [`WakerEntry`], to where user code may run.

#![allow(unsafe_code)]

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::num::NonZeroU32;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::thread;

use parking_lot::Mutex;

use super::inspect::record::WaitRecord;
use super::locals::Locals;
use super::state::State;
use super::thread_parker::ThreadParker;
use super::unwind::cause::CancelCause;
use super::unwind::state::Unwinding;
use crate::fiber::Fiber;
use crate::prefetch::prefetch;

/// The result of a coroutine: what its closure returned, or the payload with which it ended.
pub(crate) type Output<T> = thread::Result<T>;

/// What a coroutine is spawned with, besides its closure.
#[repr(C)]
pub(crate) struct SpawnOptions {
    pub(crate) id: u64,
    pub(crate) spawned_at: &'static Location<'static>,
    /// In bytes, as [`crate::fiber::Pool::class_size`] gives it.
    pub(crate) stack_size: usize,
    pub(crate) name: Option<Box<str>>,
}

/// See the module. What every run touches comes first, in as few lines of the cache as possible.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    /// `FINISHED`, `DETACHED`, `AWAITED`.
    pub(super) completion: AtomicU8,
    /// Set once by a cancel, and never cleared.
    pub(super) cancelled: AtomicBool,
    /// The permit of `park` and `unpark`.
    pub(super) permit: AtomicBool,
    /// The stack, from the first run until the last.
    fiber: UnsafeCell<Option<Fiber>>,
    /// Where the coroutine has started; set before it first runs, by the worker.
    pub(super) home: HomeLink,
    /// The next coroutine in a queue. Belongs to whoever may queue this one, or has it queued.
    pub(super) link: AtomicPtr<Header>,
    home_only: UnsafeCell<HomeOnly>,
    refs: AtomicUsize,
    /// What the coroutine waits for; written by it, read by dumps.
    pub(super) record: WaitRecord,
    pub(super) options: SpawnOptions,
    pub(super) vtable: &'static Vtable,
    /// Those who wait for the end. Used while `AWAITED` is set and `FINISHED` is not.
    pub(super) joiners: Mutex<WaiterList>,
    /// Why it is cancelled. Set by the first cancel, before `cancelled`.
    pub(super) cause: OnceLock<Arc<CancelCause>>,
}

/// How much of a header every run touches, in bytes: until the number and the spawn site.
const HOT: usize = mem::offset_of!(Header, options) + mem::offset_of!(SpawnOptions, stack_size);

/// The part of a header that belongs to the home worker's thread.
#[derive(Default)]
pub(super) struct HomeOnly {
    /// Coroutine-local values.
    pub(super) locals: Locals,
    /// How the last run ended.
    pub(super) pause: RunOutcome,
    /// About the address of the innermost frame in which it is suspended; 0 before its first run.
    pub(super) frame: usize,
    /// The wait that was last found harmless, for [`stack_check`](super::stack_check): the address of its call site, and
    /// its depth. 0: none yet.
    pub(super) harmless: (usize, usize),
    /// Its key in the worker's registry, once it is there.
    pub(super) registered: Option<NonZeroU32>,
    /// What is known of its unwinding.
    pub(super) unwinding: Unwinding,
    /// The count of external waits of the innermost `block_on` that it is in.
    pub(super) polling: Option<Arc<AtomicUsize>>,
    /// The closure has returned or unwound, and only destructors are left.
    pub(super) ended: bool,
    /// Its coroutine-local values have been destroyed, and none is made any more.
    pub(super) locals_gone: bool,
    /// How the closure has ended, when it has.
    pub(super) outcome: ExitKind,
}

/// Why a turn of a coroutine has ended.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum RunOutcome {
    #[default]
    Finished,
    /// It waits to be notified.
    Parked,
    /// It lets the others run first.
    Yielded,
}

/// How the closure of a coroutine has ended.
#[derive(Clone, Copy, Default)]
pub(super) enum ExitKind {
    #[default]
    Returned,
    Panicked,
    Cancelled,
}

// SAFETY: the fields that are not `Sync` by themselves are touched as the table in the module says:
// `home_only` by one thread, the closure and the result under the `completion` protocol. `F` and `T`
// are `Send`, or are used by one thread at a time in the bounds of a scope (see `allocate`).
unsafe impl Send for Header {}
// SAFETY: as above.
unsafe impl Sync for Header {}

pub(super) const FINISHED: u8 = 1;
/// The `JoinHandle` is gone: nobody will ask for the result.
pub(super) const DETACHED: u8 = 2;
/// Somebody is in `joiners`.
pub(super) const AWAITED: u8 = 4;

/// Where a started coroutine lives: its worker, as far as this layer needs to know it.
pub(crate) trait Home: Send + Sync {
    /// Queues a coroutine of this home, on another thread than its own. For the caller whose `notify` saw it parked.
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

/// A home, for coroutines to point to: where its thread keeps it.
pub(super) struct HomeEntry {
    pub(super) home: Arc<dyn Home>,
    /// How many coroutines have started here and not ended. By the home's thread.
    pub(super) hosted: Cell<usize>,
}

// SAFETY: other threads use the home alone, which is `Sync`.
unsafe impl Sync for HomeEntry {}

/// A coroutine's pointer to its home. It is not counted: an entry stays as long as it hosts a coroutine.
pub(super) struct HomeLink(AtomicPtr<HomeEntry>);

impl HomeLink {
    /// By the worker that starts the coroutine.
    #[inline(always)]
    pub(super) fn set(&self, home: NonNull<HomeEntry>) {
        // Release: whoever follows it without having seen the coroutine parked sees what it points to.
        self.0.store(home.as_ptr(), Ordering::Release);
    }

    /// By the home, for a coroutine that is about to end.
    ///
    /// # Safety
    ///
    /// To be called once, on the home's thread, for a coroutine that has started.
    #[inline(always)]
    pub(super) unsafe fn leave(&self) {
        // SAFETY: the home has counted it, and stays until this.
        let hosted = unsafe { &(*self.0.load(Ordering::Relaxed)).hosted };
        hosted.set(hosted.get() - 1);
    }

    /// The address, to be compared; null if the coroutine has not started.
    #[inline(always)]
    pub(super) fn address(&self) -> *const HomeEntry {
        self.0.load(Ordering::Relaxed)
    }

    /// The home, if the coroutine has started.
    ///
    /// # Safety
    ///
    /// The coroutine must not have ended, and not do so as long as the answer is used: the caller is the coroutine
    /// itself, its home, or the one who has the duty to queue it.
    pub(super) unsafe fn get(&self) -> Option<&Arc<dyn Home>> {
        // SAFETY: the caller's promise.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }.map(|entry| &entry.home)
    }
}

/// What depends on the types of the closure and the result.
pub(super) struct Vtable {
    /// Runs the closure on the current fiber and stores the result. Does not unwind.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Drops the closure of a coroutine that never started, and stores `Err` of the payload.
    pub(super) discard: unsafe fn(NonNull<Header>, Box<dyn Any + Send>),
    /// Moves the result to the address, which must be valid for an `Output<T>`.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Whether there is a result whose destructor is user code.
    pub(super) has_user_output: unsafe fn(NonNull<Header>) -> bool,
    pub(super) free: unsafe fn(NonNull<Header>),
    /// Whether the closure has a destructor.
    pub(super) has_destructor: bool,
    /// Whether it is a child of a scope, whose owner waits for it.
    pub(super) is_scoped: bool,
}

/// A counted reference to a coroutine.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: the header is `Send` and `Sync`, and the count is atomic.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    #[inline]
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

    pub(crate) fn is_finished(&self) -> bool {
        self.header().is_finished()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.header().cancelled.load(Ordering::Relaxed)
    }

    /// Why it is cancelled, if it is.
    pub(crate) fn cancel_cause(&self) -> Option<Arc<CancelCause>> {
        self.header().cancel_cause()
    }

    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// # Safety
    ///
    /// `raw` must carry a reference that the caller owns, from `into_raw`.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: NonNull<Header>) -> TaskRef {
        TaskRef(raw)
    }

    /// A new reference to the coroutine whose header this is.
    ///
    /// # Safety
    ///
    /// `raw` must point to the header of a coroutine of which somebody holds a reference.
    pub(super) unsafe fn from_borrowed(raw: NonNull<Header>) -> TaskRef {
        TaskRef::clone(&ManuallyDrop::new(TaskRef(raw)))
    }

    #[inline]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: the reference keeps the header alive.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(super) fn as_raw(&self) -> NonNull<Header> {
        self.0
    }

    /// Takes the result of a finished coroutine.
    ///
    /// # Safety
    ///
    /// `T` must be the coroutine's result type, it must have finished, as seen with Acquire, and
    /// this must happen once, by the holder of its handle.
    pub(super) unsafe fn take_output<T>(&self) -> Output<T> {
        let mut output = mem::MaybeUninit::<Output<T>>::uninit();
        // SAFETY: the caller's promise; `take_output` fills the place in.
        unsafe {
            (self.header().vtable.take_output)(self.0, output.as_mut_ptr().cast());
            output.assume_init()
        }
    }

    /// Drops the result that nobody will ask for.
    ///
    /// # Safety
    ///
    /// The coroutine must have finished and its handle be gone; to be called once.
    pub(super) unsafe fn drop_output(&self) {
        // SAFETY: the caller's promise.
        unsafe { (self.header().vtable.drop_output)(self.0) }
    }

    /// Whether there is a result whose destructor is user code. If not, the cell drops what there
    /// is.
    ///
    /// # Safety
    ///
    /// The coroutine must have finished and its handle be gone.
    #[inline]
    pub(super) unsafe fn has_user_output(&self) -> bool {
        // SAFETY: the caller's promise.
        unsafe { (self.header().vtable.has_user_output)(self.0) }
    }

    /// Whether it is a child of a scope.
    pub(crate) fn is_scoped(&self) -> bool {
        self.header().vtable.is_scoped
    }

    /// Whether to drop its closure runs user code, as far as its type tells.
    pub(crate) fn has_destructor(&self) -> bool {
        self.header().vtable.has_destructor
    }

    /// Stores `payload` as the result of a coroutine that has not started.
    ///
    /// # Safety
    ///
    /// The caller must have taken the unstarted coroutine out of its queue.
    pub(super) unsafe fn discard(&self, payload: Box<dyn Any + Send>) {
        // SAFETY: the caller's promise.
        unsafe { (self.header().vtable.discard)(self.0, payload) }
    }

    /// Has the processor fetch its spawn options. For whoever lists many.
    pub(crate) fn prefetch_options(&self) {
        let options = &self.header().options;
        prefetch(ptr::from_ref(&options.id).cast(), 1);
        prefetch(ptr::from_ref(&options.name).cast(), 1);
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> TaskRef {
        // Relaxed: the new reference is made from one that exists, as in `Arc`.
        let before = self.header().refs.fetch_add(1, Ordering::Relaxed);
        assert!(before < isize::MAX as usize, "too many references to one coroutine");
        TaskRef(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        // Release, so that all uses of this reference come before the end; the fence pairs with
        // the Release of every other drop, as in `Arc`.
        if self.header().refs.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: this was the last reference.
            unsafe { (self.header().vtable.free)(self.0) }
        }
    }
}

impl Header {
    /// That of a coroutine that has not started, with one reference.
    #[inline(always)]
    pub(super) fn new(options: SpawnOptions, vtable: &'static Vtable) -> Header {
        Header {
            state: State::new(),
            completion: AtomicU8::new(0),
            cancelled: AtomicBool::new(false),
            permit: AtomicBool::new(false),
            fiber: UnsafeCell::new(None),
            home_only: UnsafeCell::new(HomeOnly::default()),
            options,
            record: WaitRecord::new(),
            vtable,
            refs: AtomicUsize::new(1),
            link: AtomicPtr::new(ptr::null_mut()),
            home: HomeLink(AtomicPtr::new(ptr::null_mut())),
            joiners: Mutex::new(WaiterList::new()),
            cause: OnceLock::new(),
        }
    }

    /// Gives access to what belongs to the home worker's thread. `f` must not run user code or suspend.
    ///
    /// # Safety
    ///
    /// The caller must be on that thread, and not inside another call for the same coroutine.
    pub(super) unsafe fn with_home_only<R>(&self, f: impl FnOnce(&mut HomeOnly) -> R) -> R {
        // SAFETY: the caller's promise makes this the only borrow.
        f(unsafe { &mut *self.home_only.get() })
    }

    /// The coroutine's stack, if it has one.
    ///
    /// # Safety
    ///
    /// The caller must be the home worker, outside the coroutine, and hold no other borrow of it.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that it is the only borrow")]
    pub(super) unsafe fn fiber(&self) -> &mut Option<Fiber> {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.fiber.get() }
    }

    /// Has the processor look up the address of the coroutine's stack.
    ///
    /// # Safety
    ///
    /// The caller must be the home worker, or about to be it, and have it queued.
    #[inline]
    pub(super) unsafe fn look_up_stack(&self) {
        // SAFETY: the caller's promise.
        if let Some(fiber) = unsafe { self.fiber() } {
            fiber.look_up();
        }
    }

    /// Some time after [`Header::prefetch`]: has the processor fetch the frame in which the coroutine resumes.
    ///
    /// # Safety
    ///
    /// As for `look_up_stack`.
    #[inline]
    pub(super) unsafe fn prefetch_stack(&self) {
        // SAFETY: the caller's promise.
        let (fiber, frame) = unsafe { (self.fiber(), self.with_home_only(|own| own.frame)) };
        if let Some(fiber) = fiber {
            fiber.prefetch(frame);
        }
    }

    /// Has the processor fetch what each turn touches. For a worker that has the coroutine queued and runs it soon.
    #[inline(always)]
    pub(super) fn prefetch(header: *const Header) {
        prefetch(header.cast(), HOT);
    }

    /// Why it is cancelled, if it is.
    pub(super) fn cancel_cause(&self) -> Option<Arc<CancelCause>> {
        // Acquire pairs with the Release of `cancel`: whoever sees that sees the cause.
        let is_cancelled = self.cancelled.load(Ordering::Acquire);
        is_cancelled.then(|| self.cause.get().cloned()).flatten()
    }

    pub(super) fn is_finished(&self) -> bool {
        // Acquire pairs with the Release of `finish`: the result is visible.
        self.completion.load(Ordering::Acquire) & FINISHED != 0
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

/// A coroutine, thread or task that waits, for whoever is to wake it, once or more often.
///
/// To drop or to wake that of a task runs user code, so it must not happen under a lock.
#[derive(Clone)]
pub(crate) enum Waiter {
    Coroutine(TaskRef),
    Thread(Arc<ThreadParker>),
    Task(TaskWaiter),
}

/// The waiters for an event that wakes all of them, such as the end of a coroutine or the readiness of a socket. One
/// waiter, the usual number, needs no allocation.
///
/// There is at most one task among them, that of the future that was polled last.
#[derive(Default)]
pub(crate) enum WaiterList {
    #[default]
    Empty,
    One(Waiter),
    #[expect(clippy::box_collection, reason = "a list is two words, since most hold one or none")]
    Many(Box<Vec<Waiter>>),
}

/// A waker in a list of waiters.
///
/// To drop or to wake it runs user code, so it must not happen under a lock; to clone it does not. Neither unwinds, and
/// for a worker between two turns a coroutine does both ([`user_code`](super::user_code)).
#[derive(Clone)]
pub(crate) struct TaskWaiter(pub(super) Arc<WakerEntry>);

/// What a [`TaskWaiter`] stands for. Its destructor is in [`task_waiter`](super::task_waiter), since that of the waker
/// is user code.
pub(super) struct WakerEntry {
    /// Until the entry is dropped.
    pub(super) waker: Option<Waker>,
    /// The count of the `block_on` that has entered it, if it waits for something outside.
    pub(super) outside: Option<Arc<AtomicUsize>>,
}
