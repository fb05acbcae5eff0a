//! An error for programs that need no types of their own for it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::{fmt, io};

use crate::coroutine::{Cancelled, ParkError};
use crate::std::sync::channel::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::std::time::Elapsed;

/// What may fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A text, and maybe another error as its source.
///
/// The `?` operator makes one of the errors of std and mco. For others there is
/// [`with_source`](Error::with_source), and `Box<dyn Error + Send + Sync>`.
///
/// # Examples
///
/// ```
/// use mco::std::errors::{Error, Result};
///
/// fn port(text: &str) -> Result<u16> {
///     if text.is_empty() {
///         return Err(mco::err!("no port given; write one from 1 to {}", u16::MAX));
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(port("80").unwrap(), 80);
/// assert_eq!(port("").unwrap_err().to_string(), "no port given; write one from 1 to 65535");
/// assert!(std::error::Error::source(&port("http").unwrap_err()).is_some());
/// ```
pub struct Error {
    text: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// An [`Error`] with this text.
///
/// # Examples
///
/// ```
/// assert_eq!(mco::std::errors::new("too late").to_string(), "too late");
/// ```
pub fn new(text: impl Into<Cow<'static, str>>) -> Error {
    Error::new(text)
}

/// An [`Error`](struct@crate::std::errors::Error) with a text that is written like the arguments of
/// `format!`.
///
/// ```
/// let left = 3;
/// assert_eq!(mco::err!("{left} are left").to_string(), "3 are left");
/// ```
#[macro_export]
macro_rules! err {
    ($($arg:tt)+) => {
        $crate::std::errors::new(::std::format!($($arg)+))
    };
}

impl Error {
    /// One with this text.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Error {
        Error { text: text.into(), source: None }
    }

    /// One with this text, because of another error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::error::Error as _;
    /// use mco::std::errors::Error;
    ///
    /// let error = Error::with_source("no settings", std::fmt::Error);
    /// assert_eq!(error.to_string(), "no settings");
    /// assert!(error.source().unwrap().is::<std::fmt::Error>());
    /// ```
    pub fn with_source(
        text: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        Error { text: text.into(), source: Some(source.into()) }
    }

    /// The source, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.source.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text, and those of the sources that say something else: what `main` prints of an error that
/// it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        let mut last = self.text.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            let text = error.to_string();
            if text != last {
                write!(f, "\n  because: {text}")?;
            }
            last = text;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Error {
        Error::new(text.to_owned())
    }
}

impl From<String> for Error {
    fn from(text: String) -> Error {
        Error::new(text)
    }
}

impl From<Box<dyn StdError + Send + Sync>> for Error {
    fn from(source: Box<dyn StdError + Send + Sync>) -> Error {
        Error::with_source(source.to_string(), source)
    }
}

impl From<Box<dyn StdError>> for Error {
    /// Only the text, since the error may belong to this thread.
    fn from(source: Box<dyn StdError>) -> Error {
        Error::new(source.to_string())
    }
}

macro_rules! from_error {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Error {
            fn from(source: $error) -> Error {
                Error::with_source(source.to_string(), source)
            }
        }
    )*};
}

from_error!(
    io::Error,
    fmt::Error,
    RecvError,
    TryRecvError,
    RecvTimeoutError,
    ParkError,
    Elapsed,
    std::num::ParseIntError,
    std::num::ParseFloatError,
    std::num::TryFromIntError,
    std::str::Utf8Error,
    std::str::ParseBoolError,
    std::string::FromUtf8Error,
    std::net::AddrParseError,
    std::array::TryFromSliceError,
    std::char::CharTryFromError,
    std::char::ParseCharError,
    std::collections::TryReserveError,
    std::env::JoinPathsError,
    std::env::VarError,
    std::ffi::FromBytesWithNulError,
    std::ffi::IntoStringError,
    std::ffi::NulError,
    std::path::StripPrefixError,
    std::string::FromUtf16Error,
    std::thread::AccessError,
    crate::coroutine::AccessError,
    std::time::SystemTimeError,
);

macro_rules! from_unsent {
    ($($error:ident),*) => {$(
        impl<T> From<$error<T>> for Error {
            /// Without the value.
            fn from(error: $error<T>) -> Error {
                Error::new(error.to_string())
            }
        }
    )*};
}

from_unsent!(SendError, TrySendError, SendTimeoutError);

impl<T> From<std::sync::PoisonError<T>> for Error {
    /// Without the guard.
    fn from(error: std::sync::PoisonError<T>) -> Error {
        Error::new(error.to_string())
    }
}

impl<T> From<std::sync::TryLockError<T>> for Error {
    /// Without the guard.
    fn from(error: std::sync::TryLockError<T>) -> Error {
        Error::new(error.to_string())
    }
}

impl<E: StdError + Send + Sync + 'static> From<crate::std::pool::PoolError<E>> for Error {
    fn from(error: crate::std::pool::PoolError<E>) -> Error {
        Error::with_source(error.to_string(), error)
    }
}

/// Of what a coroutine or thread ended with, as `join` returns it.
impl From<Box<dyn std::any::Any + Send>> for Error {
    fn from(payload: Box<dyn std::any::Any + Send>) -> Error {
        let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => format!("it has panicked: {text}"),
            (None, Some(text)) => format!("it has panicked: {text}"),
            _ if payload.is::<Cancelled>() => "it has been cancelled".to_owned(),
            _ => "it has panicked".to_owned(),
        };
        Error::new(text)
    }
}
