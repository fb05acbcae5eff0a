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

use generator::{Generator, Scope};

pub(crate) use pool::Pool;
pub(crate) use stack::{Bounds, MapError, Stack, mapped};

use crate::prefetch::prefetch;

/// The smallest stack that a coroutine can have, in bytes; smaller requests are rounded up to it.
///
/// A panic that prints a backtrace fits into it, for it must not end the process. What that takes is std's, and
/// was measured: between 20 and 24 KiB with and without optimisation, 16 without a backtrace. The rest is for
/// names that are nested deeper, and for where the panic comes from. Memory is taken as it is touched, so that
/// costs addresses only.
pub(crate) const MIN_STACK_SIZE: usize = 64 * 1024;

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

/// What a fiber and its loop share. It lives in the frame of the loop, on the fiber's own stack, as
/// long as the loop runs; both sides are on the fiber's thread.
struct Link {
    /// The next body; written by [`Fiber::prepare`], taken by the loop. With none, the loop ends.
    body: Cell<Option<Body>>,
    /// The generator's handle for switching back.
    scope: *mut Scope<'static, 'static, (), ()>,
    bounds: Bounds,
}

/// A stack with its loop on it. See the module. Two words, since every coroutine has one.
pub(crate) struct Fiber {
    generator: Generator<'static, (), ()>,
    link: NonNull<Link>,
    /// The loop is a suspended computation of this thread.
    _not_send: PhantomData<*mut ()>,
}

/// The right to suspend the body that runs on a fiber, for the code inside that body.
#[derive(Clone, Copy)]
pub(crate) struct Suspender(NonNull<Link>);

impl Fiber {
    /// Starts a loop on `stack`, which then waits for its first body.
    pub(crate) fn new(stack: Stack) -> Fiber {
        let (mut generator, bounds) = stack.into_parts();
        let published = Cell::new(None);
        let argument = LoopArgument { published: &raw const published, bounds };
        generator.scoped_init(move |scope| run_loop(argument, scope));
        generator.resume();
        let link = published.get().expect("the loop has begun");
        Fiber { generator, link, _not_send: PhantomData }
    }

    /// Gives the idle loop its next body, which the next [`Fiber::resume`] enters.
    pub(crate) fn prepare(&mut self, body: Body) {
        // SAFETY: the loop runs until the fiber is dropped.
        unsafe { self.link.as_ref() }.body.set(Some(body));
    }

    /// Runs the body until it suspends or returns.
    #[inline(always)]
    pub(crate) fn resume(&mut self) {
        self.generator.resume();
    }

    /// The handle by which the body suspends itself.
    pub(crate) fn suspender(&self) -> Suspender {
        Suspender(self.link)
    }

    /// Where the stack and its guard lie.
    pub(crate) fn bounds(&self) -> Bounds {
        // SAFETY: the loop runs until the fiber is dropped.
        unsafe { self.link.as_ref() }.bounds
    }

    /// Has the processor look up where the stack lies in memory, for which it may have to go through
    /// the page tables. It goes on meanwhile only as far as it can look ahead, so that of several stacks
    /// is better asked together.
    #[inline]
    pub(crate) fn look_up(&self) {
        prefetch(self.link.as_ptr().cast(), 1);
    }

    /// Has the processor fetch what the next resume touches first: the control block of the
    /// generator at the top of the stack, and the innermost frames, of which the first is about at
    /// `frame`.
    #[inline]
    pub(crate) fn prefetch(&self, frame: usize) {
        const CONTROL_BLOCK: usize = 384;
        const BELOW: usize = 128;
        const FRAMES: usize = 640;
        // The loop's frame lies in the topmost page, as the control block does.
        let top = (self.link.as_ptr() as usize | (stack::SMALLEST_PAGE - 1)) + 1;
        prefetch((top - CONTROL_BLOCK) as *const (), CONTROL_BLOCK);
        prefetch(self.link.as_ptr().cast(), 1);
        prefetch(frame.wrapping_sub(BELOW) as *const (), BELOW + FRAMES);
    }

    /// Tells the kernel that it may take back the pages of this idle stack that lie deeper than
    /// the few that the next body will need first.
    pub(crate) fn release_deep_pages(&mut self) {
        // SAFETY: the fiber is idle, so its frames are the loop's, within what is kept.
        unsafe { self.bounds().release_deep_pages() }
    }
}

impl Drop for Fiber {
    /// Ends the idle loop: with no body to run, it returns.
    fn drop(&mut self) {
        let bounds = self.bounds();
        self.generator.resume();
        assert!(self.generator.is_done(), "a fiber was dropped inside a body");
        // Dropping a *finished* generator reads the lowest page of its stack, which belongs to
        // our guard; one that is ready to run something is dropped without looking.
        self.generator.scoped_init(|_| ());
        stack::unmapped(bounds);
    }
}

impl Suspender {
    /// Where the fiber's stack lies.
    ///
    /// # Safety
    ///
    /// The fiber must be alive.
    pub(crate) unsafe fn bounds(self) -> Bounds {
        // SAFETY: the caller's promise: the loop runs until the fiber is dropped.
        unsafe { self.0.as_ref() }.bounds
    }

    /// Whether the caller runs on the fiber's stack, and not on one that another library has switched to.
    ///
    /// # Safety
    ///
    /// The fiber must be alive.
    #[inline(always)]
    pub(crate) unsafe fn is_here(self) -> bool {
        let here = 0u8;
        // SAFETY: the caller's promise: the loop runs until the fiber is dropped.
        let Bounds { bottom, top, .. } = unsafe { self.0.as_ref() }.bounds;
        (bottom..top).contains(&(&raw const here).addr())
    }

    /// An address in the frame of the loop, which lies further out than all frames of its bodies.
    pub(crate) fn base(self) -> usize {
        self.0.addr().get()
    }

    /// Switches from the body back to whoever resumed the fiber; returns at the next resume.
    ///
    /// # Safety
    ///
    /// The caller must be running on this very fiber, on no stack nested inside it.
    #[inline(always)]
    pub(crate) unsafe fn suspend(self) {
        // SAFETY: the caller runs on the fiber, so its loop is alive, and with it the link and
        // the scope; no other reference to the scope is in use, since
        // only the code of this fiber uses it and that is here.
        unsafe { (*self.0.as_ref().scope).yield_with(()) }
    }
}

/// What the loop is started with.
struct LoopArgument {
    /// Where it says where its link is.
    published: *const Cell<Option<NonNull<Link>>>,
    bounds: Bounds,
}

// SAFETY: `scoped_init` asks for `Send` because a generator may be sent; a `Fiber` may not, so the
// closure runs on the thread that made it.
unsafe impl Send for LoopArgument {}

fn run_loop(argument: LoopArgument, mut scope: Scope<'_, 'static, (), ()>) {
    let scope: *mut Scope<'_, 'static, (), ()> = &raw mut scope;
    let link = Link { body: Cell::new(None), scope: scope.cast(), bounds: argument.bounds };
    // SAFETY: `Fiber::new` keeps the place of `published` until this loop first yields.
    unsafe { (*argument.published).set(Some(NonNull::from(&link))) };
    loop {
        // SAFETY: the scope lives in this frame; the bodies use it too, but have returned.
        unsafe { (*scope).yield_with(()) };
        let Some(body) = link.body.take() else { return };
        // SAFETY: by the contract of `Body::new`.
        unsafe { (body.run)(body.data) };
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
