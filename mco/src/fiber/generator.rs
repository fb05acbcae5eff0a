//! The engine *generator*: the crate of that name, which switches and maps its stacks by itself.
//!
//! For architectures that the other engine does not have, and wherever the feature `generator` asks for it. Each
//! stack is a mapping of its own with a guard of one page, which takes several system calls and two of the process's
//! mappings; and a frame of C code that is larger than the page can step over the guard. Nothing of this leans on
//! more of the crate than it says, but for where a stack ends: the block that `into_raw` points to is in its topmost
//! page.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use generator::{Generator, Gn, Scope};

use super::contract::{Body, Bounds, gone, made};
use super::error::{Cause, MapError};
use super::page::{self, mapping_limit, page_size};
use crate::prefetch::prefetch;

/// Stacks that are mapped, in the whole process: each takes two mappings.
static SPLIT: AtomicUsize = AtomicUsize::new(0);

/// Mappings that the rest of the process needs: libraries, threads, allocator arenas.
const MAPPINGS_OF_OTHERS: usize = 512;

/// Has the crate install its handler of stack overflows, which it does with the first generator, and only once. It
/// leaves the coroutine without unwinding it: destructors never run, locks stay held, and what a scope lent to its
/// children is freed under them. So ours has to come after it, in front.
pub(super) fn prepare() {
    drop(Gn::<()>::new_scoped(|_| ()));
}

/// Where one worker has its stacks of one size from: the system.
pub(in crate::fiber) struct Stacks {
    size: usize,
}

impl Stacks {
    pub(in crate::fiber) fn new(size: usize) -> Stacks {
        Stacks { size }
    }

    pub(in crate::fiber) fn take(&mut self) -> Result<Fiber, MapError> {
        let fail = |cause| MapError::new(self.size, cause);
        if self.size == 0 {
            return Err(fail(Cause::Zero));
        }
        preflight(self.size).map_err(fail)?;
        let (generator, bounds) = map(self.size).map_err(fail)?;
        Ok(Fiber::new(generator, bounds))
    }

    #[expect(clippy::unused_self, reason = "others keep it")]
    pub(in crate::fiber) fn give(&mut self, fiber: Fiber) {
        drop(fiber);
    }

    #[expect(clippy::unused_self, reason = "others have something to trim")]
    pub(in crate::fiber) fn is_trimmed(&self) -> bool {
        true
    }

    #[expect(clippy::unused_self, reason = "others have something to trim")]
    pub(in crate::fiber) fn trim(&mut self) {}
}

/// Lets the crate map a stack, with its own guard page.
fn map(size: usize) -> Result<(Generator<'static, (), ()>, Bounds), Cause> {
    let page = page_size();
    let limit = hard_limit();
    let Some(bytes) = size.max(super::MIN_STACK_SIZE).checked_add(page).filter(|n| *n <= limit)
    else {
        return Err(too_large(limit));
    };
    // An even number of words: an odd one asks `generator` to fill the whole stack.
    let words = bytes.next_multiple_of(page) / size_of::<usize>();
    let generator = catch_unwind(AssertUnwindSafe(|| Gn::<()>::new_scoped_opt(words, |_| ())))
        .map_err(|panic| {
            let message = panic.downcast_ref::<String>().map_or("unknown error", |s| s);
            Cause::Engine(message.to_owned())
        })?;
    let usable = generator.stack_usage().0 * size_of::<usize>();
    let control = generator.into_raw();
    let top = (control as usize).next_multiple_of(page);
    // SAFETY: `control` comes from `into_raw` of this type just now and is used up here.
    let generator = unsafe { Generator::from_raw(control) };
    let bottom = top - usable;
    Ok((generator, Bounds { guard: bottom - page, bottom, top }))
}

/// Checks what would make `generator` panic while it maps a stack, which would print a message
/// with no remedy in it.
fn preflight(size: usize) -> Result<(), Cause> {
    let split = SPLIT.load(Ordering::Relaxed);
    match mapping_limit() {
        Some(limit) if split * 2 + MAPPINGS_OF_OTHERS > limit => {
            Err(Cause::Mappings { split, limit })
        }
        _ => probe(size),
    }
}

/// Asks the kernel for such a mapping and gives it back at once. Costs a microsecond, a tenth of
/// what a cold stack costs.
#[cfg(unix)]
fn probe(size: usize) -> Result<(), Cause> {
    let Some(bytes) = size.checked_add(4 * page_size()).filter(|n| *n <= isize::MAX as usize)
    else {
        return Err(too_large(hard_limit()));
    };
    // SAFETY: an anonymous mapping at an address of the kernel's choice, unmapped at once, that
    // nobody else can know of.
    unsafe {
        let map = libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        );
        if map == libc::MAP_FAILED {
            return Err(Cause::System(std::io::Error::last_os_error()));
        }
        libc::munmap(map, bytes);
    }
    Ok(())
}

#[cfg(not(unix))]
fn probe(_size: usize) -> Result<(), Cause> {
    Ok(())
}

fn too_large(limit: usize) -> Cause {
    Cause::TooLarge { limit, remedy: ", or raise it (`ulimit -Hs`)" }
}

/// The largest stack that `generator` maps: the hard limit of `RLIMIT_STACK`.
#[cfg(unix)]
fn hard_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) } == 0;
    let max = usize::try_from(limit.rlim_max).unwrap_or(usize::MAX);
    // Room for the pages that `generator` adds, and for rounding without overflow.
    let max = if known { max } else { 1 << 30 };
    max.min(isize::MAX as usize).saturating_sub(4 * page_size())
}

#[cfg(not(unix))]
fn hard_limit() -> usize {
    1 << 30
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

/// A stack with its loop on it. See [`super`]. Two words, since every coroutine has one.
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
    /// Starts a loop on a stack, which then waits for its first body.
    fn new(mut generator: Generator<'static, (), ()>, bounds: Bounds) -> Fiber {
        SPLIT.fetch_add(1, Ordering::Relaxed);
        made();
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
        let top = (self.link.as_ptr() as usize | (page::SMALLEST_PAGE - 1)) + 1;
        prefetch((top - CONTROL_BLOCK) as *const (), CONTROL_BLOCK);
        prefetch(self.link.as_ptr().cast(), 1);
        prefetch(frame.wrapping_sub(BELOW) as *const (), BELOW + FRAMES);
    }

    /// Tells the kernel that it may take back the pages of this idle stack that lie deeper than
    /// the few that the next body will need first.
    pub(crate) fn release_deep_pages(&mut self) {
        const KEEP: usize = 16 * 1024;
        let Bounds { bottom, top, .. } = self.bounds();
        let end = top - KEEP.next_multiple_of(page_size());
        if end > bottom {
            // SAFETY: the fiber is idle, so its frames are the loop's, within what is kept.
            unsafe { page::release(bottom, end - bottom) };
        }
    }
}

impl Drop for Fiber {
    /// Ends the idle loop: with no body to run, it returns.
    fn drop(&mut self) {
        self.generator.resume();
        assert!(self.generator.is_done(), "a fiber was dropped inside a body");
        // Dropping a *finished* generator panics if the lowest words of its stack have changed, as they have if its
        // deep pages were given back; one that is ready to run something is dropped without looking.
        self.generator.scoped_init(|_| ());
        SPLIT.fetch_sub(1, Ordering::Relaxed);
        gone();
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
    ///
    /// # Safety
    ///
    /// The fiber must be alive.
    pub(crate) unsafe fn base(self) -> usize {
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
