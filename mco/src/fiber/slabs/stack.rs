//! The engine *slabs*: the switch is `corosensei`'s, the stacks are our own.
//!
//! At the top of a stack lies its [`Control`], and below it what `corosensei` keeps there. Everything that a switch
//! touches at this end is in one line of the cache:
//!
//! ```text
//!   bottom                                                    base                            top
//!     │ <── frames of the bodies │ frame of the loop │ parent link │ hot │ Control: cold │ colour │
//!                                                    └── one line ───────┘
//! ```
//!
//! *Colour*: unused bytes, of which neighbouring stacks have different numbers. Without them the tops of all
//! stacks would compete for the same few sets of the first cache, which it looks up by the offset in a page.
//!
//! Unwinding stops at the loop, since no body unwinds. Whoever only walks the stack (a debugger, `backtrace`, `perf`)
//! comes from its base to the worker's frames, as if the worker had called the body.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use corosensei::stack::STACK_ALIGNMENT;
use corosensei::stack::valgrind::ValgrindStackRegistration;
use corosensei::{Coroutine, Yielder};

use super::super::contract::{Body, Bounds, gone, made};
use super::super::error::{Cause, MapError};
use super::super::page;
use crate::prefetch::prefetch;

use super::colour::{COLOUR, COLOURS, LINE};
use super::system::{Part, Source, Space};

/// Nothing has to be prepared.
pub(in crate::fiber) fn prepare() {}

/// What a stack has above its base, at most: so much is mapped beside what was asked for.
const HEAD_ROOM: usize = COLOURS * COLOUR + LINE + size_of::<Control>();

/// Where one worker has its stacks of one size from.
pub(in crate::fiber) struct Stacks {
    size: usize,
    source: Source,
}

impl Stacks {
    pub(in crate::fiber) fn new(size: usize) -> Stacks {
        Stacks { size, source: Source::new(size.max(super::super::MIN_STACK_SIZE), HEAD_ROOM) }
    }

    pub(in crate::fiber) fn take(&mut self) -> Result<Fiber, MapError> {
        let fail = |cause| MapError::new(self.size, cause);
        if self.size == 0 {
            return Err(fail(Cause::Zero));
        }
        Ok(Fiber::new(self.source.take().map_err(fail)?))
    }

    pub(in crate::fiber) fn give(&mut self, fiber: Fiber) {
        self.source.give(fiber.into_space());
    }

    pub(in crate::fiber) fn is_trimmed(&self) -> bool {
        self.source.is_clean()
    }

    pub(in crate::fiber) fn trim(&mut self) {
        self.source.trim();
    }
}

/// What a fiber and its loop share, at the top of the stack; both sides are on the fiber's thread. The first two
/// fields are what a switch needs.
#[repr(C)]
struct Control {
    /// Borrowed mutably while it runs, so nothing that runs on it uses this field.
    coroutine: ManuallyDrop<Coroutine<(), (), (), Part>>,
    /// Set by the loop when it begins: how it switches back.
    yielder: Cell<*const Yielder<(), ()>>,
    /// The next body; written by [`Fiber::prepare`], taken by the loop.
    body: Cell<Option<Body>>,
    /// Set by the loop when it begins: an address in its frame.
    frame: Cell<usize>,
    bounds: Bounds,
    space: ManuallyDrop<Space>,
    valgrind: ManuallyDrop<ValgrindStackRegistration>,
}

/// A stack with its loop on it. See [`super`].
#[must_use = "its stack is lost unless it is given back"]
pub(crate) struct Fiber {
    control: NonNull<Control>,
    /// The loop is a suspended computation of this thread.
    _not_send: PhantomData<*mut ()>,
}

/// The right to suspend the body that runs on a fiber, for the code inside that body.
#[derive(Clone, Copy)]
pub(crate) struct Suspender(NonNull<Control>);

impl Fiber {
    /// Lays out a loop on a stack on which nobody is.
    fn new(space: Space) -> Fiber {
        let bounds = space.bounds();
        let highest = bounds.top - space.colour() - size_of::<Control>();
        // So that the parent link and the hot fields share a line: two words and what lies above them.
        let base = highest / LINE * LINE - LINE + STACK_ALIGNMENT;
        let control: *mut Control = std::ptr::with_exposed_provenance_mut(base);
        let part = space.part_below(NonZeroUsize::new(base).expect("no stack lies at address 0"));
        let coroutine = Coroutine::with_stack(part, move |yielder: &Yielder<(), ()>, ()| {
            // SAFETY: the control block is there as long as the loop runs.
            unsafe { run_loop(control, yielder) }
        });
        let length = bounds.top - bounds.bottom;
        let valgrind = ValgrindStackRegistration::new(
            std::ptr::with_exposed_provenance_mut(bounds.bottom),
            length,
        );
        // SAFETY: it lies below the top of the stack, aligned, where nobody else writes.
        unsafe {
            control.write(Control {
                coroutine: ManuallyDrop::new(coroutine),
                yielder: Cell::new(std::ptr::null()),
                body: Cell::new(None),
                frame: Cell::new(0),
                bounds,
                space: ManuallyDrop::new(space),
                valgrind: ManuallyDrop::new(valgrind),
            });
        }
        made();
        Fiber { control: NonNull::new(control).expect("as above"), _not_send: PhantomData }
    }

    /// Forgets the idle loop.
    fn into_space(self) -> Space {
        let control = self.control.as_ptr();
        gone();
        // SAFETY: the fiber is used up, and idle: its loop has nothing to be dropped, so it may be forgotten.
        // Each field is taken out once; the stack's memory stays until the space is given back.
        unsafe {
            ManuallyDrop::drop(&mut (*control).valgrind);
            (*control).coroutine.force_reset();
            ManuallyDrop::drop(&mut (*control).coroutine);
            ManuallyDrop::take(&mut (*control).space)
        }
    }

    /// Gives the idle loop its next body, which the next [`Fiber::resume`] enters.
    #[inline]
    pub(crate) fn prepare(&mut self, body: Body) {
        // SAFETY: the control block is there as long as the fiber is.
        unsafe { (*self.control.as_ptr()).body.set(Some(body)) };
    }

    /// Runs the body until it suspends or returns.
    #[inline(always)]
    pub(crate) fn resume(&mut self) {
        // SAFETY: as above. What runs on the stack does not use this field.
        unsafe { (*self.control.as_ptr()).coroutine.resume(()) };
    }

    /// The handle by which the body suspends itself.
    #[inline(always)]
    pub(crate) fn suspender(&self) -> Suspender {
        Suspender(self.control)
    }

    /// Where the stack and its guard lie.
    pub(crate) fn bounds(&self) -> Bounds {
        // SAFETY: as in `prepare`.
        unsafe { (*self.control.as_ptr()).bounds }
    }

    /// Has the processor look up where the stack lies in memory, for which it may have to go through
    /// the page tables. It goes on meanwhile only as far as it can look ahead, so that of several stacks
    /// is better asked together.
    #[inline]
    pub(crate) fn look_up(&self) {
        prefetch(self.control.as_ptr().cast(), 1);
    }

    /// Has the processor fetch what the next resume touches first: the hot line at the top of the stack, and the
    /// innermost frames, of which the first is about at `frame`.
    #[inline]
    pub(crate) fn prefetch(&self, frame: usize) {
        const BELOW: usize = 128;
        const FRAMES: usize = 640;
        prefetch(self.control.as_ptr().cast(), 1);
        prefetch(frame.wrapping_sub(BELOW) as *const (), BELOW + FRAMES);
    }

    /// Tells the kernel that it may take back the pages of this idle stack that lie deeper than
    /// the few that the next body will need first.
    pub(crate) fn release_deep_pages(&mut self) {
        const KEEP: usize = 16 * 1024;
        let Bounds { bottom, top, .. } = self.bounds();
        let end = top - KEEP.next_multiple_of(page::page_size());
        if end > bottom {
            // SAFETY: the fiber is idle, so its frames are the loop's, within what is kept.
            unsafe { page::release(bottom, end - bottom) };
        }
    }
}

impl Suspender {
    /// Where the fiber's stack lies.
    ///
    /// # Safety
    ///
    /// The fiber must be alive.
    pub(crate) unsafe fn bounds(self) -> Bounds {
        // SAFETY: the caller's promise.
        unsafe { (*self.0.as_ptr()).bounds }
    }

    /// Whether the caller runs on the fiber's stack, and not on one that another library has switched to.
    ///
    /// # Safety
    ///
    /// The fiber must be alive.
    #[inline(always)]
    pub(crate) unsafe fn is_here(self) -> bool {
        let here = 0u8;
        // SAFETY: the caller's promise.
        let bottom = unsafe { (*self.0.as_ptr()).bounds.bottom };
        (bottom..self.0.addr().get()).contains(&(&raw const here).addr())
    }

    /// An address in the frame of the loop, which lies further out than all frames of its bodies.
    ///
    /// # Safety
    ///
    /// The fiber must be alive, and have run.
    pub(crate) unsafe fn base(self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { (*self.0.as_ptr()).frame.get() }
    }

    /// Switches from the body back to whoever resumed the fiber; returns at the next resume.
    ///
    /// # Safety
    ///
    /// The caller must be running on this very fiber, on no stack nested inside it.
    #[inline(always)]
    pub(crate) unsafe fn suspend(self) {
        // SAFETY: the caller runs on the fiber, so its loop has begun, and keeps the yielder.
        unsafe { (*(*self.0.as_ptr()).yielder.get()).suspend(()) }
    }
}

/// Runs one body after another.
///
/// Not inlined into its caller, which must not be unwound into and says so in its exception table:
/// what looks for that (`task::unwinding`) ends at this frame.
///
/// # Safety
///
/// The control block must be there as long as the loop runs.
#[inline(never)]
unsafe fn run_loop(control: *const Control, yielder: &Yielder<(), ()>) {
    let frame = 0u8;
    // SAFETY: the caller's promise. There is no reference to the whole block, of which one field is in use by who
    // has resumed the loop.
    let body = unsafe {
        (*control).frame.set((&raw const frame).addr());
        (*control).yielder.set(yielder);
        &(*control).body
    };
    while let Some(body) = body.take() {
        // SAFETY: by the contract of `Body::new`.
        unsafe { (body.run)(body.data) };
        yielder.suspend(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks(size: usize) -> Stacks {
        Stacks::new(size)
    }

    #[test]
    fn what_a_switch_touches_at_the_top_is_one_line() {
        let mut stacks = stacks(64 * 1024);
        let fibers: Vec<_> = (0..20).map(|_| stacks.take().expect("a stack")).collect();
        for fiber in &fibers {
            let control = fiber.control.addr().get();
            let last_hot = control + std::mem::offset_of!(Control, body) - 1;
            // The parent link is the word below the word below it.
            assert_eq!((control - 2 * size_of::<usize>()) / LINE, last_hot / LINE);
        }
        fibers.into_iter().for_each(|fiber| stacks.give(fiber));
    }

    #[test]
    #[cfg(unix)]
    fn the_tops_of_neighbours_lie_in_different_sets_of_the_cache() {
        for size in [64 << 10, 100_000, 1 << 20, 6 << 20] {
            let mut stacks = stacks(size);
            let mut fibers: Vec<_> = (0..64).map(|_| stacks.take().expect("a stack")).collect();
            fibers.sort_by_key(|fiber| fiber.control);
            let mut neighbours = 0;
            for pair in fibers.windows(2) {
                let [a, b] = [&pair[0], &pair[1]].map(|fiber| fiber.control.addr().get());
                // Others are the last one of a slab and the first one of another.
                if pair[0].bounds().top == pair[1].bounds().guard {
                    neighbours += 1;
                    // By the offset in a page, as the first cache looks it up, and by the number of the page.
                    assert_ne!(a / LINE % 64, b / LINE % 64);
                    assert_eq!((b / 4096 - a / 4096) % 2, 1, "strides reach every set");
                }
            }
            assert!(neighbours > 50, "{neighbours} of 63 pairs are neighbours");
            fibers.into_iter().for_each(|fiber| stacks.give(fiber));
        }
    }
}
