//! The half of a coroutine that knows the types of its closure and its result: how it is made, and what runs on
//! its fiber.
//!
//! ```text
//!  create ──> Unstarted ──┬─ body: runs the closure ────────────> Finished ──> Empty: taken, or dropped
//!                         └─ discarding_body, discard: drops it ──> Finished
//! ```
//!
//! Who may call: whoever spawns, to make one; the home worker, for the body of its fiber. All else goes through
//! the table of functions in the header, for which [`cell`](super::cell) says who may call which.

#![allow(unsafe_code)]

use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::{self, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use super::cell::{DETACHED, ExitKind, Header, Output, RunOutcome, SpawnOptions, TaskRef, Vtable};
use super::unwind::payload::{Cancelled, before_start};
use super::{unjoined_panics, unused_result};
use crate::fiber::Body;
use crate::runtime_thread;

/// The one allocation of a coroutine.
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
                unjoined_panics::record(&**payload);
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

    /// An unstarted coroutine that will run `f`.
    ///
    /// # Safety
    ///
    /// `F` and `T` must be `Send`. If they are not `'static`, the coroutine must have finished,
    /// and its result been taken or dropped, before what they borrow goes away.
    unsafe fn allocate<F: FnOnce() -> T, T>(
        f: F,
        is_scoped: bool,
        options: SpawnOptions,
    ) -> TaskRef {
        let vtable = match is_scoped {
            true => &TaskCell::<F, T>::SCOPED_VTABLE,
            false => &TaskCell::<F, T>::VTABLE,
        };
        let cell = Box::leak(Box::<TaskCell<F, T>>::new_uninit()).as_mut_ptr();
        // Field by field, where they stay: the whole is too large to be moved there.
        // SAFETY: the memory is there, and nobody else's; `cell` is not null. The header comes first, and carries the
        // one reference.
        unsafe {
            (&raw mut (*cell).header).write(Header::new(options, vtable));
            (&raw mut (*cell).closure).write(UnsafeCell::new(MaybeUninit::new(f)));
            (&raw mut (*cell).stage).write(UnsafeCell::new(Stage::Unstarted));
            TaskRef::from_raw(NonNull::new_unchecked(cell.cast()))
        }
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
        unsafe { Body::new(run, self.as_raw().as_ptr().cast()) }
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
                let cause = header.as_ref().cancel_cause();
                (header.as_ref().vtable.discard)(header, before_start(cause));
                end(header);
            }
        }
        // SAFETY: as for `body`.
        unsafe { Body::new(discard, self.as_raw().as_ptr().cast()) }
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
