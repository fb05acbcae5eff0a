//! A stack and its switch: the only place that knows how coroutines are switched, and where their stacks lie.
//!
//! A [`Fiber`] is a stack with a loop running on it that executes one [`Body`] after another; it belongs to
//! the thread that made it:
//!
//! ```text
//!   Stacks::take ──> idle ──prepare, resume──> in a body ──> suspended
//!     ^               │ ^                        │  ^  suspend    │
//!     └─ Stacks::give ┘ └───── body returns ─────┘  └── resume ───┘
//! ```
//!
//! The loop is what makes a pooled stack cheap: giving it the next body writes two words.
//!
//! # Engines
//!
//! There are two, and this module chooses one: `slabs`, and `generator` where only that one has a backend, and
//! everywhere with the feature of that name. Nothing outside of this folder can tell which one runs. An engine supplies
//!
//! - `prepare()`: called before our handler of faults is installed, so that handlers of its own are behind it;
//! - `Stacks`: where one worker has its stacks of one size from. `take` makes an idle fiber, or says why there is
//!   none, and does not panic; `give` takes an idle one back; `trim` hands what is not in use back to the system, and
//!   `is_trimmed` says that there is nothing. All on one thread. When it is dropped, what was not given back stays;
//! - `Fiber`: a word or two, not `Send`. `prepare` and `resume` as drawn above; `suspender`; `bounds`; `look_up` and
//!   `prefetch`, which have the processor fetch what the next resume needs; `release_deep_pages`, while it is idle;
//! - `Suspender`: the same from inside, a word, `Copy`: `suspend`, `bounds`, `is_here`, and `base`, an address in a frame that
//!   can be unwound into and lies further out than all frames of the bodies;
//! - below each stack a guard, in which every access faults; and its calls of `made` and `gone`, for statistics.
//!
//! A walk over the stack must find its way from a body to the engine's first frame; further on it may find the frames
//! of the worker, or nothing. What belongs to the thread, an engine leaves alone: among that are the control words of
//! floating point, which a coroutine that changes them must restore before it waits. Signal handlers run on the stack
//! of whichever coroutine is running, if they were not installed with `SA_ONSTACK`.

mod contract;
mod error;
pub(crate) mod overflow;
mod page;
mod pool;

#[cfg_attr(
    any(
        feature = "generator",
        target_arch = "s390x",
        target_arch = "powerpc64",
        all(windows, target_arch = "aarch64")
    ),
    path = "generator.rs"
)]
#[cfg_attr(
    not(any(
        feature = "generator",
        target_arch = "s390x",
        target_arch = "powerpc64",
        all(windows, target_arch = "aarch64")
    )),
    path = "slabs/mod.rs"
)]
mod engine;

pub(crate) use contract::{Body, Bounds, MIN_STACK_SIZE, mapped};
use engine::Stacks;
pub(crate) use engine::{Fiber, Suspender};
pub(crate) use error::MapError;
pub(crate) use pool::Pool;

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

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

    /// Calls `f` with a fiber, which is idle before and after.
    fn with_fiber(f: impl FnOnce(&mut Fiber)) {
        let mut stacks = Stacks::new(64 * 1024);
        let mut fiber = stacks.take().expect("a small stack");
        SUSPENDER.set(Some(fiber.suspender()));
        f(&mut fiber);
        stacks.give(fiber);
    }

    #[test]
    fn a_body_resumes_where_it_suspended() {
        with_fiber(|fiber| {
            let log = RefCell::new(Vec::new());
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
        });
    }

    #[test]
    fn a_stack_is_reused_by_one_body_after_another() {
        with_fiber(|fiber| {
            let count = Cell::new(0);
            let f = || count.set(count.get() + 1);
            for _ in 0..3 {
                fiber.prepare(body(&f));
                fiber.resume();
            }
            assert_eq!(count.get(), 3);
        });
    }

    #[test]
    fn a_stack_given_back_is_as_good_as_new() {
        let count = Cell::new(0);
        let f = || count.set(count.get() + 1);
        let mut stacks = Stacks::new(64 * 1024);
        for _ in 0..20 {
            let mut fibers: Vec<_> = (0..10).map(|_| stacks.take().expect("a stack")).collect();
            for fiber in &mut fibers {
                fiber.prepare(body(&f));
                fiber.resume();
            }
            fibers.into_iter().skip(1).for_each(|fiber| stacks.give(fiber));
            stacks.trim();
            assert!(stacks.is_trimmed());
        }
        assert_eq!(count.get(), 200);
    }

    #[test]
    fn bounds_hold_the_frames_and_exclude_the_guard() {
        with_fiber(|fiber| {
            let bounds = fiber.bounds();
            let suspender = fiber.suspender();
            let f = || {
                let local = 0u8;
                let here = &raw const local as usize;
                assert!(here > bounds.bottom && here < bounds.top);
                // SAFETY: this runs on the fiber.
                let (is_here, base) = unsafe { (suspender.is_here(), suspender.base()) };
                assert!(is_here && base > here && base < bounds.top);
            };
            assert!(bounds.top - bounds.bottom >= 64 * 1024);
            assert!(bounds.is_guard(bounds.bottom - 1));
            assert!(!bounds.is_guard(bounds.bottom));
            fiber.prepare(body(&f));
            fiber.resume();
            // SAFETY: the fiber is there.
            assert!(!unsafe { suspender.is_here() }, "this is the thread's stack");
        });
    }

    #[test]
    fn what_cannot_be_had_is_refused_in_words() {
        for size in [0, 1 << 62, isize::MAX as usize, usize::MAX - 4096, usize::MAX] {
            let error = Stacks::new(size).take().err().expect("there is no such stack");
            assert!(error.to_string().contains("ask for"), "{error}");
        }
    }
}
