//! Why a coroutine is cancelled: by whom, where in the source, and for what reason.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::coroutine_id::CoroutineId;

/// Made by the one who cancels, shared by all that are cancelled with it, and kept by each of them from the first
/// cancel on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CancelCause {
    by: Option<u64>,
    at: Option<&'static Location<'static>>,
    reason: Option<Cow<'static, str>>,
}

impl CancelCause {
    pub(crate) fn new(
        by: Option<u64>,
        at: Option<&'static Location<'static>>,
        reason: Option<Cow<'static, str>>,
    ) -> Arc<CancelCause> {
        Arc::new(CancelCause { by, at, reason })
    }

    /// A cancel by the runtime itself.
    pub(crate) fn of_runtime(reason: &'static str) -> Arc<CancelCause> {
        CancelCause::new(None, None, Some(reason.into()))
    }

    pub(crate) fn by(&self) -> Option<CoroutineId> {
        self.by.map(CoroutineId::new)
    }

    pub(crate) fn at(&self) -> Option<&'static Location<'static>> {
        self.at
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

/// What follows "cancelled": nothing, or ` by coroutine 7 at src/main.rs:3:5: the reason`.
impl fmt::Display for CancelCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(by) = self.by {
            write!(f, " by coroutine {by}")?;
        }
        if let Some(at) = self.at {
            write!(f, " at {at}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}
