//! The atomics of the wake protocol ([`state`](super::state)), separate so that the models in `tests/loom` can
//! include that file and supply loom's.

pub(super) use std::sync::atomic::{AtomicU8, Ordering};

pub(super) use crate::backoff::relax;
