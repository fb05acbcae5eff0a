//! A stack and its switch: the only place that knows the `generator` crate.
//!
//! A [`Stack`] is a mapped stack with its guard. A [`Fiber`] is a stack with a loop running on it
//! that executes one [`Body`] after another; it belongs to the thread that made it:
//!
//! ```text
//!   Stack::map ──> Stack ──Fiber::new──> idle ──prepare, resume──> in a body ──> suspended
//!                                         ^                         │  ^  suspend    │
//!                                         └────── body returns ─────┘  └── resume ───┘
//! ```
//!
//! The loop is what makes a pooled stack cheap: giving it the next body writes two words, where a
//! fresh start of a generator sets up a call frame, a boxed closure and a landing pad.

#![allow(unsafe_code)]

pub(crate) mod overflow;
mod pool;
mod stack;

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

use generator::Scope;

pub(crate) use pool::Pool;
pub(crate) use stack::{Bounds, MapError, Stack, mapped};

/// The smallest stack that a coroutine can have, in bytes. A panic that formats a message and
/// unwinds fits into it; smaller requests are rounded up to it.
pub(crate) const MIN_STACK_SIZE: usize = 16 * 1024;

/// What a fiber runs: a function and its argument, as one step of the fiber's loop.
#[derive(Clone, Copy)]
pub(crate) struct Body {
    run: unsafe fn(*const ()),
    data: *const (),
}

impl Body {
    /// A body that calls `run(data)`.
    ///
    /// # Safety
    ///
    /// `run(data)` must be sound to call once, on the fiber, at any time before the body returns,
    /// and must not unwind.
    pub(crate) unsafe fn new(run: unsafe fn(*const ()), data: *const ()) -> Body {
        Body { run, data }
    }
}

/// What a fiber and its loop share. It lives on the heap, at a fixed address, from the start of
/// the loop until after its end; both sides run on the fiber's thread.
struct Link {
    /// The next body; written by [`Fiber::prepare`], taken by the loop. With none, the loop ends.
    body: Cell<Option<Body>>,
    /// The generator's handle for switching back; written by the loop before anything else runs.
    scope: Cell<*mut Scope<'static, 'static, (), ()>>,
}

/// A stack with its loop on it. See the module.
pub(crate) struct Fiber {
    stack: Stack,
    link: NonNull<Link>,
    /// The loop is a suspended computation of this thread.
    _not_send: PhantomData<*mut ()>,
}

/// The right to suspend the body that runs on a fiber, for the code inside that body.
#[derive(Clone, Copy)]
pub(crate) struct Suspender(NonNull<Link>);

impl Fiber {
    /// Starts a loop on `stack`, which then waits for its first body.
    pub(crate) fn new(mut stack: Stack) -> Fiber {
        let link = Box::new(Link { body: Cell::new(None), scope: Cell::new(std::ptr::null_mut()) });
        let link = NonNull::from(Box::leak(link));
        let argument = LoopArgument(link);
        stack.generator_mut().scoped_init(move |scope| run_loop(argument, scope));
        Fiber { stack, link, _not_send: PhantomData }
    }

    /// Gives the idle loop its next body, which the next [`Fiber::resume`] enters.
    pub(crate) fn prepare(&mut self, body: Body) {
        // SAFETY: the link lives until `vacate` or `drop`; both sides run on this thread, so
        // nothing else touches the cell now.
        unsafe { self.link.as_ref() }.body.set(Some(body));
    }

    /// Runs the body until it suspends or returns.
    pub(crate) fn resume(&mut self) {
        self.stack.generator_mut().resume();
    }

    /// The handle by which the body suspends itself.
    pub(crate) fn suspender(&self) -> Suspender {
        Suspender(self.link)
    }

    /// Where the stack and its guard lie.
    pub(crate) fn bounds(&self) -> Bounds {
        self.stack.bounds()
    }

    /// Tells the kernel that it may take back the pages of this idle stack that lie deeper than
    /// the few that the next body will need first.
    pub(crate) fn release_deep_pages(&mut self) {
        self.stack.release_deep_pages();
    }
}

impl Drop for Fiber {
    /// Ends the idle loop: with no body to run, it returns.
    fn drop(&mut self) {
        let generator = self.stack.generator_mut();
        generator.resume();
        assert!(generator.is_done(), "a fiber was dropped inside a body");
        // Dropping a *finished* generator reads the lowest page of its stack, which belongs to
        // our guard; one that is ready to run something is dropped without looking.
        generator.scoped_init(|_| ());
        // SAFETY: the loop has ended, so nothing refers to the link any more.
        drop(unsafe { Box::from_raw(self.link.as_ptr()) });
    }
}

impl Suspender {
    /// Switches from the body back to whoever resumed the fiber; returns at the next resume.
    ///
    /// # Safety
    ///
    /// The caller must be running on this very fiber, on no stack nested inside it.
    pub(crate) unsafe fn suspend(self) {
        // SAFETY: the caller runs on the fiber, so its loop is alive, and with it the link and
        // the scope that the loop published; no other reference to the scope is in use, since
        // only the code of this fiber uses it and that is here.
        unsafe { (*self.0.as_ref().scope.get()).yield_with(()) }
    }
}

/// Carries the link into the generator's closure, which has to be `Send`.
struct LoopArgument(NonNull<Link>);

// SAFETY: `scoped_init` asks for `Send` because a generator may be sent; a `Fiber` may not, so the
// closure runs on the thread that made it.
unsafe impl Send for LoopArgument {}

fn run_loop(argument: LoopArgument, mut scope: Scope<'_, 'static, (), ()>) {
    let link = argument.0;
    let scope: *mut Scope<'_, 'static, (), ()> = &raw mut scope;
    // SAFETY: `Fiber` frees the link only after this loop has ended. The cast changes a lifetime
    // that has no effect on layout; the scope lives in this frame for as long as anything on this
    // fiber can use it. A body is sound to run by the contract of `Body::new`.
    unsafe {
        link.as_ref().scope.set(scope.cast());
        while let Some(body) = link.as_ref().body.take() {
            (body.run)(body.data);
            (*scope).yield_with(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! { static SUSPENDER: Cell<Option<Suspender>> = const { Cell::new(None) }; }

    fn suspend() {
        let suspender = SUSPENDER.get().expect("inside a fiber");
        // SAFETY: called from the bodies below, which run on that fiber.
        unsafe { suspender.suspend() }
    }

    fn body(f: &dyn Fn()) -> Body {
        unsafe fn call(data: *const ()) {
            // SAFETY: `data` points to the reference that the caller keeps alive.
            unsafe { (*data.cast::<&dyn Fn()>())() }
        }
        let data: *const &dyn Fn() = Box::leak(Box::new(
            // SAFETY: the tests run the body to its end before `f` goes away.
            unsafe { std::mem::transmute::<&dyn Fn(), &'static dyn Fn()>(f) },
        ));
        // SAFETY: `call` is sound for `data`, see above; the test bodies do not unwind.
        unsafe { Body::new(call, data.cast()) }
    }

    fn fiber() -> Fiber {
        let fiber = Fiber::new(Stack::map(64 * 1024).expect("a small stack"));
        SUSPENDER.set(Some(fiber.suspender()));
        fiber
    }

    #[test]
    fn a_body_resumes_where_it_suspended() {
        let log = RefCell::new(Vec::new());
        let mut fiber = fiber();
        let f = || {
            log.borrow_mut().push("first half");
            suspend();
            log.borrow_mut().push("second half");
        };
        fiber.prepare(body(&f));
        fiber.resume();
        log.borrow_mut().push("between");
        fiber.resume();
        assert_eq!(*log.borrow(), ["first half", "between", "second half"]);
    }

    #[test]
    fn a_stack_is_reused_by_one_body_after_another() {
        let count = Cell::new(0);
        let f = || count.set(count.get() + 1);
        let mut fiber = fiber();
        for _ in 0..3 {
            fiber.prepare(body(&f));
            fiber.resume();
        }
        assert_eq!(count.get(), 3);
    }

    #[test]
    fn bounds_hold_the_frames_and_exclude_the_guard() {
        let mut fiber = fiber();
        let bounds = fiber.bounds();
        let f = || {
            let local = 0u8;
            let here = &raw const local as usize;
            assert!(here > bounds.bottom && here < bounds.top);
        };
        assert!(bounds.top - bounds.bottom >= 64 * 1024);
        assert!(bounds.is_guard(bounds.bottom - 1));
        assert!(!bounds.is_guard(bounds.bottom));
        fiber.prepare(body(&f));
        fiber.resume();
    }
}
