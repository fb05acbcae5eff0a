//! The memory of one coroutine, whatever the types of its closure and result are.
//!
//! A coroutine is one allocation, `TaskCell<F, T>`: the [`Header`] first, then the closure and the
//! result. [`TaskRef`] is a counted reference to it that has forgotten `F` and `T`; the
//! header's table of functions remembers them. Who may touch what:
//!
//! | field | touched by |
//! | --- | --- |
//! | the closure | the creator until the coroutine is queued; then whoever runs or discards it |
//! | the result | the coroutine until `FINISHED`; then the holder of the `JoinHandle` |
//! | `fiber` | the home worker, between runs and to resume it |
//! | `HomeOnly` | the home worker's thread |
//! | the rest | anyone: it is constant or atomic |

#![allow(unsafe_code)]

use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread;

use parking_lot::Mutex;

use super::cancel::{self, Cancelled, Unwinding};
use super::local::Locals;
use super::record::WaitRecord;
use super::state::State;
use super::{Home, WaiterList, current, unjoined_panics, unused_result};
use crate::fiber::{Body, Fiber};
use crate::prefetch::prefetch;
use crate::runtime_thread;

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
    /// The worker on which the coroutine has started; set before it first runs.
    pub(super) home: OnceLock<Arc<dyn Home>>,
    home_only: UnsafeCell<HomeOnly>,
    refs: AtomicUsize,
    /// What the coroutine waits for; written by it, read by dumps.
    pub(super) record: WaitRecord,
    pub(super) options: SpawnOptions,
    vtable: &'static Vtable,
    /// The next coroutine in an inbox. Belongs to whoever may queue this one.
    pub(super) link: AtomicPtr<Header>,
    /// Those who wait for the end. Used while `AWAITED` is set and `FINISHED` is not.
    pub(super) joiners: Mutex<WaiterList>,
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
    /// The key of the wait that was last found harmless, for [`stack_check`](super::stack_check). 0: none yet.
    pub(super) harmless: usize,
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

/// What depends on the types of the closure and the result.
struct Vtable {
    /// Runs the closure on the current fiber and stores the result. Does not unwind.
    run: unsafe fn(NonNull<Header>),
    /// Drops the closure of a coroutine that never started, and stores `Err` of the payload.
    discard: unsafe fn(NonNull<Header>, Box<dyn Any + Send>),
    /// Moves the result to the address, which must be valid for an `Output<T>`.
    take_output: unsafe fn(NonNull<Header>, *mut ()),
    drop_output: unsafe fn(NonNull<Header>),
    /// Whether there is a result whose destructor is user code.
    has_user_output: unsafe fn(NonNull<Header>) -> bool,
    free: unsafe fn(NonNull<Header>),
    /// Whether the closure has a destructor.
    has_destructor: bool,
    /// Whether it is a child of a scope, whose owner waits for it.
    is_scoped: bool,
}

#[repr(C)]
struct TaskCell<F, T> {
    header: Header,
    /// Initialised while the stage is `Unstarted`.
    closure: UnsafeCell<MaybeUninit<F>>,
    stage: UnsafeCell<Stage<T>>,
}

enum Stage<T> {
    Unstarted,
    Finished(Output<T>),
    Empty,
}

impl<F, T> Drop for TaskCell<F, T> {
    fn drop(&mut self) {
        if matches!(self.stage.get_mut(), Stage::Unstarted) {
            // SAFETY: it is there until the stage is another one.
            unsafe { self.closure.get_mut().assume_init_drop() }
        }
    }
}

impl<F: FnOnce() -> T, T> TaskCell<F, T> {
    const VTABLE: Vtable = Vtable {
        run: Self::run,
        discard: Self::discard,
        take_output: Self::take_output,
        drop_output: Self::drop_output,
        has_user_output: Self::has_user_output,
        free: Self::free,
        has_destructor: mem::needs_drop::<F>(),
        is_scoped: false,
    };

    const SCOPED_VTABLE: Vtable = Vtable { is_scoped: true, ..Self::VTABLE };

    /// # Safety
    ///
    /// `header` must be the header of a live `TaskCell<F, T>` whose stage nobody else touches now.
    unsafe fn stage<'a>(header: NonNull<Header>) -> &'a mut Stage<T> {
        // SAFETY: the header is the first field of a `repr(C)` cell, and was derived from a
        // pointer to the whole of it.
        unsafe { &mut *(*header.cast::<TaskCell<F, T>>().as_ptr()).stage.get() }
    }

    unsafe fn run(header: NonNull<Header>) {
        // SAFETY: the caller runs the coroutine, so the stage is its own until it has finished.
        // The borrow ends before the closure runs.
        let Some(f) = (unsafe { Self::take_closure(header) }) else { return };
        let output = catch_unwind(AssertUnwindSafe(|| __rust_begin_short_backtrace(f)));
        if let Err(payload) = &output {
            let cancelled = payload.is::<Cancelled>();
            if !cancelled {
                // SAFETY: the coroutine is alive.
                unjoined_panics::record(unsafe { header.as_ref() }, &**payload);
            }
            let outcome = if cancelled { ExitKind::Cancelled } else { ExitKind::Panicked };
            // SAFETY: this is the coroutine's own thread.
            unsafe { header.as_ref().with_home_only(|own| own.outcome = outcome) }
        }
        // SAFETY: as above.
        *unsafe { Self::stage(header) } = Stage::Finished(output);
    }

    unsafe fn discard(header: NonNull<Header>, payload: Box<dyn Any + Send>) {
        // SAFETY: the caller owns the coroutine, which has not started.
        unsafe {
            let f = Self::take_closure(header);
            *Self::stage(header) = Stage::Finished(Err(payload));
            drop_quietly(f);
        }
    }

    /// Moves the closure out, once.
    ///
    /// # Safety
    ///
    /// As for `stage`.
    unsafe fn take_closure(header: NonNull<Header>) -> Option<F> {
        // SAFETY: the caller's promise; and while the stage is `Unstarted` the closure is there.
        unsafe {
            let stage = Self::stage(header);
            if !matches!(stage, Stage::Unstarted) {
                return None;
            }
            *stage = Stage::Empty;
            let cell = header.cast::<TaskCell<F, T>>().as_ptr();
            Some((*(*cell).closure.get()).assume_init_read())
        }
    }

    unsafe fn take_output(header: NonNull<Header>, to: *mut ()) {
        // SAFETY: the coroutine has finished, and the caller is the one holder of its handle.
        let stage = mem::replace(unsafe { Self::stage(header) }, Stage::Empty);
        let Stage::Finished(output) = stage else { unreachable!("a result is taken once") };
        // SAFETY: the caller says that `to` is valid for an `Output<T>`.
        unsafe { to.cast::<Output<T>>().write(output) };
    }

    unsafe fn drop_output(header: NonNull<Header>) {
        // SAFETY: the coroutine has finished, and nobody holds its handle.
        let stage = mem::replace(unsafe { Self::stage(header) }, Stage::Empty);
        if cfg!(debug_assertions) && matches!(stage, Stage::Finished(Ok(_))) {
            // SAFETY: the coroutine is alive.
            unused_result::check_dropped::<T>(unsafe { header.as_ref() });
        }
        drop_quietly(stage);
    }

    unsafe fn has_user_output(header: NonNull<Header>) -> bool {
        // SAFETY: the coroutine has finished, and nobody holds its handle.
        match unsafe { Self::stage(header) } {
            Stage::Finished(Ok(_)) => mem::needs_drop::<T>(),
            Stage::Finished(Err(payload)) => {
                !(payload.is::<Cancelled>() || payload.is::<String>() || payload.is::<&str>())
            }
            Stage::Unstarted | Stage::Empty => false,
        }
    }

    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the last reference is gone; the cell came from `Box::leak` in `allocate`.
        drop(unsafe { Box::from_raw(header.cast::<TaskCell<F, T>>().as_ptr()) });
    }
}

/// Calls `f`. std's backtraces end where a function of this name is.
#[inline(never)]
fn __rust_begin_short_backtrace<T>(f: impl FnOnce() -> T) -> T {
    let result = f();
    // So that the call above is none in tail position.
    std::hint::black_box(());
    result
}

/// Drops a user value where no panic of its destructor may go further.
fn drop_quietly<V>(value: V) {
    runtime_thread::contain_panic(|| drop(value));
}

/// A counted reference to a coroutine.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: the header is `Send` and `Sync`, and the count is atomic.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// An unstarted coroutine that will run `f`.
    ///
    /// # Safety
    ///
    /// `F` and `T` must be `Send`. If they are not `'static`, the coroutine must have finished,
    /// and its result been taken or dropped, before what they borrow goes away.
    pub(super) unsafe fn allocate<F: FnOnce() -> T, T>(
        f: F,
        is_scoped: bool,
        options: SpawnOptions,
    ) -> TaskRef {
        let vtable = match is_scoped {
            true => &TaskCell::<F, T>::SCOPED_VTABLE,
            false => &TaskCell::<F, T>::VTABLE,
        };
        let header = Header {
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
            home: OnceLock::new(),
            joiners: Mutex::new(WaiterList::new()),
        };
        let closure = UnsafeCell::new(MaybeUninit::new(f));
        let cell = TaskCell::<F, T> { header, closure, stage: UnsafeCell::new(Stage::Unstarted) };
        TaskRef(NonNull::from(Box::leak(Box::new(cell))).cast())
    }

    pub(crate) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// # Safety
    ///
    /// `raw` must carry a reference that the caller owns, from `into_raw`.
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

    pub(super) fn header(&self) -> &Header {
        // SAFETY: the reference keeps the header alive.
        unsafe { self.0.as_ref() }
    }

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

    /// Has the processor fetch what each turn touches. For a worker that has it queued and runs it soon.
    #[inline]
    pub(crate) fn prefetch_header(&self) {
        prefetch(self.0.as_ptr().cast(), HOT);
    }

    /// Has the processor fetch its spawn options. For whoever lists many.
    pub(crate) fn prefetch_options(&self) {
        let options = &self.header().options;
        prefetch(ptr::from_ref(&options.id).cast(), 1);
        prefetch(ptr::from_ref(&options.name).cast(), 1);
    }

    /// What a fiber runs for this coroutine.
    ///
    /// # Safety
    ///
    /// To be run once, by the home worker, which keeps a reference until the body has returned.
    pub(super) unsafe fn body(&self) -> Body {
        unsafe fn run(data: *const ()) {
            let header = data.cast_mut().cast::<Header>();
            // SAFETY: `data` is the header of a coroutine that the worker keeps alive. What runs
            // here are the closure and the destructors of the coroutine's own locals; both catch
            // what unwinds.
            unsafe {
                let header = NonNull::new_unchecked(header);
                (header.as_ref().vtable.run)(header);
                header.as_ref().with_home_only(|own| own.ended = true);
                end(header);
            }
        }
        // SAFETY: `run` is sound for this header by the caller's promise, and does not unwind.
        unsafe { Body::new(run, self.0.as_ptr().cast()) }
    }

    /// What a fiber runs for this coroutine if it was cancelled before it started: only destructors.
    ///
    /// # Safety
    ///
    /// As for `body`.
    pub(super) unsafe fn discarding_body(&self) -> Body {
        unsafe fn discard(data: *const ()) {
            let header = data.cast_mut().cast::<Header>();
            // SAFETY: as for `body`. The cancel has no business with what runs here.
            unsafe {
                let header = NonNull::new_unchecked(header);
                header.as_ref().with_home_only(|own| {
                    own.ended = true;
                    own.outcome = ExitKind::Cancelled;
                });
                (header.as_ref().vtable.discard)(header, cancel::before_start());
                end(header);
            }
        }
        // SAFETY: as for `body`.
        unsafe { Body::new(discard, self.0.as_ptr().cast()) }
    }
}

/// What is left to do on the fiber once there is a result.
///
/// # Safety
///
/// `header` must be that of the coroutine that runs here, whose closure is used up.
unsafe fn end(header: NonNull<Header>) {
    // SAFETY: the caller's promise; the destructors of locals catch what unwinds.
    unsafe {
        if header.as_ref().completion.load(Ordering::Acquire) & DETACHED != 0 {
            // Here rather than at the end, where the destructor could not suspend; and before the
            // locals, which it may use.
            (header.as_ref().vtable.drop_output)(header);
        }
        // The destructor of one local may create another.
        while let Some(local) = header.as_ref().with_home_only(|own| own.locals.pop()) {
            drop_quietly(local);
        }
        header.as_ref().with_home_only(|own| own.locals_gone = true);
        header.as_ref().with_home_only(|own| own.pause = RunOutcome::Finished);
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

    /// Notifies the coroutine. If it was parked, returns the reference with which the caller has to
    /// queue it.
    #[must_use]
    pub(super) fn notify(&self) -> Option<TaskRef> {
        let here = self.home.get().is_some_and(current::is_home);
        let parked = if here { self.state.notify_at_home() } else { self.state.notify() };
        // SAFETY: the state passes on the reference that the parked coroutine held on itself, to
        // this call alone.
        parked.then(|| unsafe { TaskRef::from_raw(NonNull::from(self)) })
    }

    pub(super) fn is_finished(&self) -> bool {
        // Acquire pairs with the Release of `finish`: the result is visible.
        self.completion.load(Ordering::Acquire) & FINISHED != 0
    }
}
