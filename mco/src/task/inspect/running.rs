//! The backtrace of a coroutine that runs, on whichever thread it does.
//!
//! It cannot be asked for it, as a suspended one is ([`backtrace`](super::backtrace)). So its thread is interrupted by a
//! signal, whose handler copies the registers and the inner part of the stack, and does nothing else; whoever has
//! asked then walks the copy. So it does not matter where the code was interrupted, be it in the middle of a switch: a walk that
//! goes astray finds an address that is not in the copy, and ends.
//!
//! ```text
//!   who asks, one at a time                      the coroutine's thread, in the handler
//!   IDLE ──> ASKED, its number ── signal ──>     ASKED ──> COPYING; if it runs that one, copies
//!   IDLE <── walks the copy <───────────────     DONE
//!
//!   no answer in time: ASKED ──> IDLE; unless it copies just then, which is waited for
//! ```
//!
//! Each step is a compare-exchange or follows from one, so the copy belongs to the handler from `COPYING` to `DONE`, and
//! to the one who has asked otherwise.
//!
//! The signal is `SIGURG`, as in Go: nothing happens to a program that does not know of it. It is used only where the
//! program has no handler of its own for it. System calls that the signal interrupts go on (`SA_RESTART`), but for those that
//! always end, with `EINTR`, among them `nanosleep` and `poll`; std's functions repeat them.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use framehop::{CacheNative, FrameAddress, MayAllocateDuringUnwind, Unwinder, UnwinderNative};
use parking_lot::Mutex;

use super::backtrace::{Frames, MAX_FRAMES};
use super::unwind_sections;
use crate::fiber::Bounds;
use crate::task::{current, stack_word};

/// So much of the stack is copied at most, from its innermost frame on, in words.
const WORDS: usize = 8 * 1024;

/// For so long the thread may take to answer: it may have to get a processor first.
const PATIENCE: Duration = Duration::from_millis(200);

const IDLE: u8 = 0;
const ASKED: u8 = 1;
const COPYING: u8 = 2;
const DONE: u8 = 3;

/// See the module.
static STEP: AtomicU8 = AtomicU8::new(IDLE);
/// The number of the coroutine that is asked for, and the thread.
static WANTED: AtomicU64 = AtomicU64::new(0);
static ASKED_THREAD: AtomicI32 = AtomicI32::new(0);
/// The copy: the registers `pc`, `sp`, `fp` and `lr`, and so many words from `sp` on.
static REGISTERS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
/// 0: the coroutine does not run on the thread.
static LEN: AtomicUsize = AtomicUsize::new(0);
static STACK: [AtomicUsize; WORDS] = [const { AtomicUsize::new(0) }; WORDS];

/// A thread that may be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadId(libc::pid_t);

impl ThreadId {
    pub(crate) fn current() -> ThreadId {
        // SAFETY: it has no requirements.
        ThreadId(unsafe { libc::gettid() })
    }
}

/// The frames of the coroutine with this number, if it runs on this thread. `None` if it does not any more, or does not
/// answer. Takes some milliseconds, and locks: not for a worker.
pub(crate) fn ask(thread: ThreadId, id: u64) -> Option<Frames> {
    /// Whether the handler is there; `None`: not tried yet. Held by the one who asks.
    static INSTALLED: Mutex<Option<bool>> = Mutex::new(None);
    let mut installed = INSTALLED.lock();
    if !*installed.get_or_insert_with(install) {
        return None;
    }
    WANTED.store(id, Ordering::Relaxed);
    ASKED_THREAD.store(thread.0, Ordering::Relaxed);
    // Release pairs with the Acquire in the handler.
    STEP.store(ASKED, Ordering::Release);
    // SAFETY: a signal that has a handler may be sent to any thread; to one that is gone it fails.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread.0, libc::SIGURG) };
    let patience = if sent == 0 { PATIENCE } else { Duration::ZERO };
    if !wait_until_done(patience)
        && STEP.compare_exchange(ASKED, IDLE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        return None;
    }
    if !wait_until_done(10 * PATIENCE) {
        // It copies, and gets no processor. It may write at any time from here on.
        *installed = Some(false);
        return None;
    }
    let frames = (LEN.load(Ordering::Relaxed) > 0).then(walk);
    STEP.store(IDLE, Ordering::Relaxed);
    frames
}

/// Waits for an answer.
fn wait_until_done(patience: Duration) -> bool {
    let begin = Instant::now();
    // Acquire pairs with the Release at the end of the handler.
    while STEP.load(Ordering::Acquire) != DONE {
        if begin.elapsed() >= patience {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Installs the handler, where the signal has none.
fn install() -> bool {
    // SAFETY: a zeroed action is a valid one, and the handler does what one may do.
    unsafe {
        let mut new: libc::sigaction = mem::zeroed();
        let mut old: libc::sigaction = mem::zeroed();
        new.sa_sigaction = handle as *const () as libc::sighandler_t;
        // It runs on a coroutine's stack only if there is no other.
        new.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_SIGINFO;
        if libc::sigaction(libc::SIGURG, ptr::null(), &raw mut old) != 0
            || old.sa_sigaction != libc::SIG_DFL
        {
            return false;
        }
        libc::sigaction(libc::SIGURG, &raw const new, ptr::null_mut()) == 0
    }
}

/// Reads thread-local cells without destructors, what they point to, and the stack; writes atomics. `errno` stays.
extern "C" fn handle(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // Others may send the signal, too, to whichever thread.
    if ThreadId::current().0 != ASKED_THREAD.load(Ordering::Relaxed)
        || STEP.compare_exchange(ASKED, COPYING, Ordering::Acquire, Ordering::Relaxed).is_err()
    {
        return;
    }
    let bounds = current::bounds_if_running(WANTED.load(Ordering::Relaxed));
    // SAFETY: the system passes the context of the interrupted code.
    let registers = unsafe { registers(&*context.cast()) };
    for (place, value) in REGISTERS.iter().zip(registers) {
        place.store(value, Ordering::Relaxed);
    }
    let [_, sp, ..] = registers;
    LEN.store(bounds.map_or(0, |bounds| copy(sp, bounds)), Ordering::Relaxed);
    // Release pairs with the Acquire of the one who has asked.
    STEP.store(DONE, Ordering::Release);
}

/// Copies the stack from `sp` on, if that is in its bounds. Returns how many words that are.
fn copy(sp: usize, bounds: Bounds) -> usize {
    if !bounds.contains(sp) || !sp.is_multiple_of(size_of::<usize>()) {
        return 0;
    }
    let words = ((bounds.top - sp) / size_of::<usize>()).min(WORDS);
    for (index, place) in STACK[..words].iter().enumerate() {
        // SAFETY: between the innermost frame of the interrupted code and the top of the stack, which is mapped, and
        // which nobody else writes to.
        let word = unsafe { stack_word::read(sp + index * size_of::<usize>()) };
        place.store(word, Ordering::Relaxed);
    }
    words
}

/// `pc`, `sp`, `fp`, `lr`.
#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> [usize; 4] {
    let of = |register: libc::c_int| context.uc_mcontext.gregs[register as usize] as usize;
    [of(libc::REG_RIP), of(libc::REG_RSP), of(libc::REG_RBP), 0]
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> [usize; 4] {
    let context = &context.uc_mcontext;
    [context.pc as usize, context.sp as usize, context.regs[29] as usize, context.regs[30] as usize]
}

/// The frames in the copy.
fn walk() -> Frames {
    let [pc, sp, fp, lr] =
        [0, 1, 2, 3].map(|at: usize| REGISTERS[at].load(Ordering::Relaxed) as u64);
    let len = LEN.load(Ordering::Relaxed);
    let words = || STACK[..len].iter().map(|word| word.load(Ordering::Relaxed) as u64);
    let mut unwinder = UnwinderNative::<Vec<u8>, MayAllocateDuringUnwind>::new();
    for module in unwind_sections::of(&mut words().chain([pc, lr])) {
        unwinder.add_module(module);
    }
    #[cfg(target_arch = "x86_64")]
    let registers = {
        let _ = lr;
        framehop::x86_64::UnwindRegsX86_64::new(pc, sp, fp)
    };
    #[cfg(target_arch = "aarch64")]
    let registers = framehop::aarch64::UnwindRegsAarch64::new(lr, sp, fp);
    let mut read = |address: u64| {
        let index = address.checked_sub(sp).ok_or(())? as usize / size_of::<usize>();
        STACK[..len].get(index).map(|word| word.load(Ordering::Relaxed) as u64).ok_or(())
    };
    let mut cache = CacheNative::new();
    let mut iter = unwinder.iter_frames(pc, registers, &mut cache, &mut read);
    let mut frames = Frames::default();
    while let Ok(Some(frame)) = iter.next() {
        if frames.addresses.len() == MAX_FRAMES {
            frames.cut_off = true;
            break;
        }
        frames.addresses.push(match frame {
            // Names are looked up for the instruction before a return address.
            FrameAddress::InstructionPointer(address) => address as usize + 1,
            FrameAddress::ReturnAddress(address) => address.get() as usize,
        });
    }
    frames
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::coroutine::{self, spawn, yield_now};
    use crate::task::inspect::backtrace::resolve;

    fn id() -> u64 {
        coroutine::current().id().into()
    }

    #[inline(never)]
    fn computes_until(done: &AtomicBool, has_begun: &AtomicBool) {
        while !done.load(Ordering::Relaxed) {
            has_begun.store(true, Ordering::Relaxed);
        }
    }

    fn names(frames: &Frames) -> String {
        let lines = frames.addresses.iter().flat_map(|address| resolve(*address));
        lines.map(|line| line.function + "\n").collect()
    }

    #[test]
    fn of_one_that_computes_the_frames_are_found() {
        let (done, has_begun) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (send, recv) = mpsc::channel();
        let computes = spawn({
            let (done, has_begun) = (done.clone(), has_begun.clone());
            move || {
                send.send((ThreadId::current(), id())).unwrap();
                computes_until(&done, &has_begun);
            }
        });
        let (thread, id) = recv.recv().unwrap();
        while !has_begun.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let frames = ask(thread, id);
        // Another one does not run there.
        assert!(ask(thread, id + 1_000_000).is_none());
        done.store(true, Ordering::Relaxed);
        computes.join().unwrap();
        let names = names(&frames.expect("it runs, and answers"));
        assert!(names.contains("computes_until"), "{names}");
        assert!(ask(thread, id).is_none(), "it has ended");
    }

    /// Wherever it is interrupted: in a switch, in the worker, in the system.
    #[test]
    fn one_that_switches_all_the_time_may_be_asked_at_any_moment() {
        const ROUNDS: usize = 2_000;
        let done = Arc::new(AtomicBool::new(false));
        let (send, recv) = mpsc::channel();
        let switch: Vec<_> = (0..4)
            .map(|_| {
                let (done, send) = (done.clone(), send.clone());
                spawn(move || {
                    send.send((ThreadId::current(), id())).unwrap();
                    while !done.load(Ordering::Relaxed) {
                        yield_now();
                    }
                })
            })
            .collect();
        let all: Vec<_> = recv.iter().take(4).collect();
        let mut answers = 0;
        for (thread, id) in all.iter().copied().cycle().take(ROUNDS) {
            answers += usize::from(ask(thread, id).is_some());
        }
        done.store(true, Ordering::Relaxed);
        switch.into_iter().for_each(|handle| handle.join().unwrap());
        assert!(answers > 0);
    }
}
