//! Checks the stack before a wait. Some code relies on nothing else running on its thread before it returns, so a
//! coroutine must not suspend while such code is on its stack. Nor can it suspend on another stack than its own: a
//! generator's, or that of a library that switches stacks.
//!
//! Two parts of std rely on that, and neither can be changed from here:
//!
//! - *The initialiser of a `thread_local!`.* std writes the value when it returns, and drops what is there.
//!   Another coroutine may have made a value meanwhile, and lent it out.
//! - *The end of the process.* `process::exit` destroys the thread-local values of the thread that calls it,
//!   on its stack. Another coroutine of the thread would go on with values that are gone, since std tells of
//!   those that it borrows nothing.
//!
//! Neither announces that it has begun. So a coroutine that is about to wait walks its own stack. It does so once for
//! each call site and depth of the stack. Sites and depths that were found harmless are remembered: the last one by the
//! coroutine, some hundreds by the thread. That makes a comparison or two for each wait. It rests on the same wait at
//! the same depth having the same callers. A wait that was found harmless, and is made later at the very same depth in
//! the destructor of a thread-local value, is not checked again.
//!
//! *The end of the process* is looked for in all builds. C's `exit` does not return. So a return address inside it is
//! on the stack if, and only if, it has begun there: the words of the stack, some hundreds, are compared with it. On
//! Windows, where another function ends the process, it is not found. From then on the thread is no worker any more,
//! and runs no coroutine. Its wakes reach coroutines as those of other threads do, and it waits as a plain thread, if
//! the wait has a time limit. Without a limit it might wait for what only this thread would do, and the process would
//! never end, so such a wait is refused.
//!
//! *Initialisers* have no address that could be known: they are generic, so each type has its own. The symbol table
//! in the program's file names them. To read it takes 10 ms and more, so that is done only in builds with debug
//! assertions, and in tests. It is read when a runtime starts, since a wait that has fixed its deadline would
//! otherwise end so much too late. Initialisers are not found where they are inlined into other functions, where
//! symbols were stripped, and on systems without ELF.

pub(super) mod exit;
mod symbols;
mod used;

use std::cell::Cell;
use std::panic::Location;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::current::{self, Running};
use super::inspect::Reason;
use crate::fiber::Bounds;
use crate::report;

/// How many pairs of call site and depth a thread remembers; a power of two.
const NOTED: usize = 256;

thread_local! {
    /// The waits that were found harmless, by [`key`], each in the slot that it hashes to. 0: none.
    static HARMLESS: [Cell<usize>; NOTED] = const { [const { Cell::new(0) }; NOTED] };
}

/// Initialisers are also looked for in builds without debug assertions.
static FIND_INITIALISERS: AtomicBool = AtomicBool::new(false);

/// From here on initialisers are looked for, whatever the build.
pub(crate) fn find_initialisers() {
    FIND_INITIALISERS.store(true, Ordering::Relaxed);
}

fn finds_initialisers() -> bool {
    cfg!(debug_assertions) || FIND_INITIALISERS.load(Ordering::Relaxed)
}

/// Reads the symbol table, once for the process, before any wait.
pub(crate) fn prepare() {
    if finds_initialisers() {
        symbols::read();
    }
}

/// Why a wait is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This is not the coroutine's own stack.
    OtherStack,
    /// The initialiser of a `thread_local!` runs on this stack.
    Initialiser,
    /// Thread-local values are being destroyed on this stack.
    Exit,
}

impl Refusal {
    /// The message for the refused wait for `reason` at `site`.
    pub(crate) fn message(self, reason: Reason, site: &Location<'_>) -> String {
        match self {
            Refusal::OtherStack => format!(
                "the wait at {site} ({reason}) is on another stack than the coroutine's own, inside a \
                 generator or in a library that switches stacks, from where the coroutine cannot be suspended; \
                 wait outside of that, or give what waits a coroutine of its own and a channel"
            ),
            Refusal::Initialiser => format!(
                "the wait at {site} ({reason}) is inside the initialiser of a `thread_local!`: meanwhile \
                 other coroutines of this thread could make its value, too, and lose it while they borrow \
                 it; declare it with `coroutine_local!`, or make the value before and set it"
            ),
            Refusal::Exit => format!(
                "the wait at {site} ({reason}) comes after `process::exit` was called on this worker's \
                 thread, whose coroutines, and what they would do for it, do not run any more; wait before \
                 the exit, or give the wait a time limit"
            ),
        }
    }

    /// Refuses the wait.
    #[cold]
    pub(crate) fn panic(self, reason: Reason, site: &Location<'_>) -> ! {
        panic!("{}", self.message(reason, site))
    }
}

/// As [`Refusal::panic`] for [`Refusal::Exit`], of a wait that nothing can replace.
#[cold]
pub(crate) fn abort(reason: Reason, site: &Location<'_>) -> ! {
    report::say(format_args!("{}", Refusal::Exit.message(reason, site)));
    process::abort()
}

/// Whether a wait of the coroutine that runs was found harmless before, just there: for who is about to wait, in
/// a call from `site`, and has a value of its own at `depth` in its frame. If so that is on the coroutine's own stack.
#[inline(always)]
pub(crate) fn is_harmless(
    running: Running,
    site: &'static Location<'static>,
    depth: usize,
) -> bool {
    running.with_home_only(|own| own.harmless) == (ptr::from_ref(site).addr(), depth)
}

/// Whether the coroutine that runs, or the thread if none does, must not wait there.
#[inline]
pub(crate) fn refusal(
    running: Option<Running>,
    site: &'static Location<'static>,
    depth: usize,
) -> Option<Refusal> {
    match running {
        Some(running) if is_harmless(running, site, depth) => None,
        Some(running) => refusal_uncached(running, site, depth),
        None => exit::is_exiting().then_some(Refusal::Exit),
    }
}

/// A number for this place at this depth. Others may have the same, which are then taken for it.
#[inline(always)]
fn key(site: &'static Location<'static>, depth: usize) -> usize {
    // Addresses of places in the source are alike in their upper bits, those in a stack in all but some.
    ptr::from_ref(site).addr() ^ depth.rotate_left(usize::BITS / 2 + 8)
}

#[inline(never)]
fn refusal_uncached(
    running: Running,
    site: &'static Location<'static>,
    depth: usize,
) -> Option<Refusal> {
    if !running.is_on_own_stack() {
        return Some(Refusal::OtherStack);
    }
    // For the thread, as far as it lies below the top of whichever stack.
    let key_of_thread = key(site, running.bounds().top.wrapping_sub(depth));
    // Multiplied, so that all bits have a say (Fibonacci hashing).
    let product = (key_of_thread as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let at = (product >> (64 - NOTED.trailing_zeros())) as usize;
    if HARMLESS.with(|noted| noted[at].get()) != key_of_thread {
        if let Some(refusal) = walk(running.bounds()) {
            if refusal == Refusal::Exit {
                exit::note();
                current::leave_home_for_exit();
            }
            return Some(refusal);
        }
        HARMLESS.with(|noted| noted[at].set(key_of_thread));
    }
    running.with_home_only(|own| own.harmless = (ptr::from_ref(site).addr(), depth));
    None
}

#[cold]
#[inline(never)]
fn walk(bounds: Bounds) -> Option<Refusal> {
    if exit::lies_on(bounds) {
        return Some(Refusal::Exit);
    }
    (finds_initialisers() && symbols::has_initialiser(bounds)).then_some(Refusal::Initialiser)
}
