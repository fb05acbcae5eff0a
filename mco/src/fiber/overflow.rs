//! What happens when a coroutine runs into the guard of its stack: the process says whose stack
//! overflowed and aborts.
//!
//! [`install`] lets the engine install a handler of its own first, if it has one, and then puts ours in front.
//! A fault outside our guards goes to the handler that was there before both, which in a Rust
//! program is std's: it reports the overflow of a thread's stack, or lets the fault kill the
//! process as usual.
//!
//! The handler runs on the thread's alternate signal stack, which std sets up for each of its
//! threads, if the program's `main` is Rust's; [`SignalStack`] sees to it that each thread that runs coroutines has one.
//! It calls nothing but async-signal-safe functions, and formats into a buffer on that small stack.
//!
//! On Windows the system reports the end of a stack to a handler that runs on the rest of that very stack.

#![allow(unsafe_code)]

#[cfg(unix)]
pub(crate) use unix::install;

/// Whose stack overflowed.
#[cfg_attr(not(unix), expect(dead_code, reason = "`generator` reports overflows there"))]
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

/// On other systems `generator`'s own handling stays.
#[cfg(not(unix))]
pub(crate) fn install(_lookup: Lookup) {}

#[cfg(unix)]
mod unix {
    use super::{Lookup, Victim};
    use std::fmt::{self, Write};
    use std::sync::OnceLock;

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
        let mut text = Buffer { bytes: [0; 1024], len: 0 };
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
        // SAFETY: `write` and `abort` are async-signal-safe; the buffer holds `len` bytes.
        unsafe {
            libc::write(libc::STDERR_FILENO, text.bytes.as_ptr().cast(), text.len);
            libc::abort()
        }
    }

    /// Formats without allocating.
    struct Buffer {
        bytes: [u8; 1024],
        len: usize,
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
}
