//! Errors that say what was tried.

use std::error::Error;
use std::fmt;
use std::io;

/// An error of the system's, with what was tried before it and what to do after it.
#[derive(Debug)]
struct ErrorContext {
    what: String,
    cause: io::Error,
    remedy: &'static str,
}

/// An error of the same kind that says what was tried. The system's own is its
/// [`source`](Error::source), and has the `raw_os_error`.
#[cold]
pub(crate) fn with_context(what: String, cause: io::Error, remedy: &'static str) -> io::Error {
    io::Error::new(cause.kind(), ErrorContext { what, cause, remedy })
}

impl fmt::Display for ErrorContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}{}", self.what, self.cause, self.remedy)
    }
}

impl Error for ErrorContext {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
