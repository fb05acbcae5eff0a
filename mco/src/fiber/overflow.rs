//! What happens when a coroutine runs into the guard of its stack: the process says whose stack
//! overflowed and aborts.
//!
//! [`install`] lets the engine install a handler of its own first, if it has one, and then puts ours in front.
//! A fault outside our guards goes to the handler that was there before both, which in a Rust
//! program is std's: it reports the overflow of a thread's stack, or lets the fault kill the
//! process as usual.
//!
//! The handler runs on the thread's alternate signal stack, which [`SignalStack`] gives to each thread that runs
//! coroutines: std's are small, and its threads have one only if the program's `main` is Rust's.
//! It calls nothing but async-signal-safe functions, and formats into a buffer on that small stack.
//!
//! On Windows the system reports the end of a stack to a handler that runs on the rest of that very stack. (This has
//! been compiled, and not yet been run.)

#![allow(unsafe_code)]

use std::fmt::{self, Write};

#[cfg(unix)]
pub(crate) use unix::{SignalStack, install};
#[cfg(windows)]
pub(crate) use windows::{SignalStack, install};

/// Whose stack overflowed.
pub(crate) struct Victim<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) id: u64,
    pub(crate) spawned_at: &'static std::panic::Location<'static>,
    /// The size of its stack, in bytes.
    pub(crate) stack_size: usize,
}

/// Tells whether `address` lies in the guard of the coroutine that runs on this thread, and if so
/// hands that coroutine to the second argument. Called in a signal handler: it must not allocate,
/// lock or panic.
pub(crate) type Lookup = fn(address: usize, found: &mut dyn FnMut(Victim<'_>));

/// What is said of it.
fn report(victim: &Victim<'_>, text: &mut Buffer) {
    // The buffer cuts a long text short rather than fail.
    let _ = write!(text, "\nmco: coroutine ");
    let _ = match victim.name {
        // So that a long one leaves room for the rest.
        Some(name) => write!(text, "`{name:.200}` (id {})", victim.id),
        None => write!(text, "{}", victim.id),
    };
    let _ = writeln!(
        text,
        ", spawned at {}:{}:{}, overflowed its stack of {} bytes; give it a larger one \
         (`Builder::stack_size`, `mco::config().set_stack_size`), or recurse less and keep \
         large values on the heap",
        victim.spawned_at.file(),
        victim.spawned_at.line(),
        victim.spawned_at.column(),
        victim.stack_size,
    );
}

/// Formats without allocating.
struct Buffer {
    bytes: [u8; 1024],
    len: usize,
}

impl Buffer {
    const fn new() -> Buffer {
        Buffer { bytes: [0; 1024], len: 0 }
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let n = text.len().min(room.len());
        room[..n].copy_from_slice(&text.as_bytes()[..n]);
        self.len += n;
        Ok(())
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::c_void;
    use std::ptr;
    use std::sync::OnceLock;

    use super::super::page::page_size;
    use super::{Buffer, Lookup, Victim, report};

    const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

    struct Handlers {
        lookup: Lookup,
        /// What was installed before the engine's, in the order of `SIGNALS`.
        previous: [libc::sigaction; 2],
    }

    /// Written once, before the handler that reads it is installed.
    static HANDLERS: OnceLock<Handlers> = OnceLock::new();

    /// Puts the overflow report in front of the handlers of the engine and std, once.
    pub(crate) fn install(lookup: Lookup) {
        HANDLERS.get_or_init(|| {
            let previous = SIGNALS.map(current_action);
            super::super::engine::prepare();
            Handlers { lookup, previous }
        });
        static INSTALLED: std::sync::Once = std::sync::Once::new();
        INSTALLED.call_once(|| {
            for signal in SIGNALS {
                // SAFETY: a zeroed `sigaction` is a valid value; `handle` has the signature that
                // `SA_SIGINFO` asks for and is async-signal-safe.
                unsafe {
                    let mut action: libc::sigaction = std::mem::zeroed();
                    action.sa_sigaction = handle as *const () as libc::sighandler_t;
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                    libc::sigemptyset(&raw mut action.sa_mask);
                    libc::sigaction(signal, &raw const action, std::ptr::null_mut());
                }
            }
        });
    }

    fn current_action(signal: libc::c_int) -> libc::sigaction {
        // SAFETY: a zeroed `sigaction` is a valid value, and the call only fills it in.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            action
        }
    }

    unsafe extern "C" fn handle(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        let Some(handlers) = HANDLERS.get() else { return };
        // SAFETY: the kernel passes a valid `info` for a handler with `SA_SIGINFO`.
        let address = unsafe { (*info).si_addr() } as usize;
        (handlers.lookup)(address, &mut |victim| report_and_abort(&victim));

        let previous = SIGNALS.iter().position(|s| *s == signal).map(|i| &handlers.previous[i]);
        // SAFETY: `previous` came from `sigaction`, so its function has the signature that its
        // flags say. Restoring the action and returning repeats the faulting instruction under it.
        unsafe {
            match previous {
                Some(action)
                    if action.sa_sigaction == libc::SIG_IGN
                        || action.sa_sigaction == libc::SIG_DFL =>
                {
                    libc::sigaction(signal, action, std::ptr::null_mut());
                }
                Some(action) if action.sa_flags & libc::SA_SIGINFO != 0 => {
                    let next: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                        std::mem::transmute(action.sa_sigaction);
                    next(signal, info, context);
                }
                Some(action) => {
                    let next: extern "C" fn(libc::c_int) = std::mem::transmute(action.sa_sigaction);
                    next(signal);
                }
                None => {}
            }
        }
    }

    fn report_and_abort(victim: &Victim<'_>) -> ! {
        let mut text = Buffer::new();
        report(victim, &mut text);
        // SAFETY: `write` and `abort` are async-signal-safe; the buffer holds `len` bytes.
        unsafe {
            libc::write(libc::STDERR_FILENO, text.bytes.as_ptr().cast(), text.len);
            libc::abort()
        }
    }

    /// The alternate signal stack of a thread: the handler cannot run on a stack that has overflowed.
    pub(crate) struct SignalStack {
        /// Where it lies and which one the thread had before. `None`: that one stays.
        own: Option<(*mut c_void, libc::stack_t)>,
    }

    /// Registers alone take up to 11 KiB on some processors. std's stacks have room for them, and little more; the
    /// formatting in a build without optimisation takes some 4 KiB.
    const SIGNAL_STACK: usize = 64 * 1024;

    impl SignalStack {
        /// Gives the calling thread one until the result is dropped, unless it has one that is as large. Where that
        /// fails an overflow may end the process without a word.
        pub(crate) fn for_this_thread() -> SignalStack {
            // SAFETY: a zeroed `stack_t` is a valid value, and the call only fills it in.
            let old = unsafe {
                let mut old: libc::stack_t = std::mem::zeroed();
                libc::sigaltstack(ptr::null(), &raw mut old);
                old
            };
            let is_disabled = old.ss_flags & libc::SS_DISABLE != 0;
            if !is_disabled && old.ss_size >= SIGNAL_STACK {
                return SignalStack { own: None };
            }
            SignalStack { own: map_signal_stack().map(|start| (start, old)) }
        }
    }

    /// Maps one for the calling thread, above a guard of a page.
    fn map_signal_stack() -> Option<*mut c_void> {
        let guard = page_size();
        // SAFETY: an anonymous mapping at an address of the kernel's choice, the lowest page of which is made a
        // guard, and the rest the thread's signal stack.
        unsafe {
            let start = libc::mmap(
                ptr::null_mut(),
                guard + SIGNAL_STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            );
            if start == libc::MAP_FAILED {
                return None;
            }
            libc::mprotect(start, guard, libc::PROT_NONE);
            let mut stack: libc::stack_t = std::mem::zeroed();
            stack.ss_sp = start.byte_add(guard).cast();
            stack.ss_size = SIGNAL_STACK;
            libc::sigaltstack(&raw const stack, ptr::null_mut());
            Some(start)
        }
    }

    impl Drop for SignalStack {
        fn drop(&mut self) {
            let Some((start, mut old)) = self.own else { return };
            // macOS wants a size even for none.
            old.ss_size = old.ss_size.max(libc::MINSIGSTKSZ);
            // SAFETY: what was there before is set again, and its owner is still there, since it lets go of it at the end of
            // the thread. No handler runs on the one that goes: it would have to return first.
            unsafe {
                libc::sigaltstack(&raw const old, ptr::null_mut());
                libc::munmap(start, page_size() + SIGNAL_STACK);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn size() -> usize {
            // SAFETY: as in `for_this_thread`.
            unsafe {
                let mut old: libc::stack_t = std::mem::zeroed();
                libc::sigaltstack(ptr::null(), &raw mut old);
                if old.ss_flags & libc::SS_DISABLE == 0 { old.ss_size } else { 0 }
            }
        }

        #[test]
        fn a_thread_has_a_large_signal_stack_for_a_while() {
            let look = || {
                let before = size();
                let stack = SignalStack::for_this_thread();
                let meanwhile = size();
                drop(stack);
                assert!(meanwhile >= SIGNAL_STACK, "{meanwhile}");
                assert_eq!(size(), before);
                before
            };
            // std's threads have one of std's.
            assert!(std::thread::spawn(look).join().unwrap() > 0);
            assert_eq!(crate::runtime_thread::on_raw_thread(look), 0);
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::sync::OnceLock;

    use windows_sys::Win32::Foundation::STATUS_STACK_OVERFLOW;
    use windows_sys::Win32::Storage::FileSystem::WriteFile;
    use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};
    use windows_sys::Win32::System::Diagnostics::Debug::{
        AddVectoredExceptionHandler, EXCEPTION_CONTINUE_SEARCH, EXCEPTION_POINTERS,
    };

    use super::{Buffer, Lookup, Victim, report};

    static LOOKUP: OnceLock<Lookup> = OnceLock::new();

    /// Puts the overflow report in front of the handlers of the engine and std, once.
    pub(crate) fn install(lookup: Lookup) {
        LOOKUP.get_or_init(|| {
            super::super::engine::prepare();
            // SAFETY: the handler has the signature that is asked for.
            unsafe { AddVectoredExceptionHandler(1, Some(handle)) };
            lookup
        });
    }

    unsafe extern "system" fn handle(info: *mut EXCEPTION_POINTERS) -> i32 {
        // SAFETY: the system passes valid pointers.
        let record = unsafe { &*(*info).ExceptionRecord };
        if record.ExceptionCode == STATUS_STACK_OVERFLOW
            && let Some(lookup) = LOOKUP.get()
        {
            lookup(record.ExceptionInformation[1], &mut |victim| report_and_abort(&victim));
        }
        EXCEPTION_CONTINUE_SEARCH
    }

    fn report_and_abort(victim: &Victim<'_>) -> ! {
        let mut text = Buffer::new();
        report(victim, &mut text);
        let mut written = 0;
        // SAFETY: the buffer holds `len` bytes, and the number has a place.
        unsafe {
            let stderr = GetStdHandle(STD_ERROR_HANDLE);
            let (bytes, len) = (text.bytes.as_ptr(), text.len as u32);
            WriteFile(stderr, bytes, len, &raw mut written, std::ptr::null_mut());
        }
        std::process::abort()
    }

    /// The handler runs on what is left of the stack, which the system sees to.
    pub(crate) struct SignalStack;

    impl SignalStack {
        pub(crate) fn for_this_thread() -> SignalStack {
            SignalStack
        }
    }
}
