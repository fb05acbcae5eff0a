//! Why a slice has ended.

use std::panic::Location;

/// Why a slice has ended. Not an enumeration, since it is made at each switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SliceEnd {
    pub(super) code: u8,
    pub(super) site: Option<&'static Location<'static>>,
}

impl SliceEnd {
    pub(crate) const YIELDED: SliceEnd = SliceEnd { code: 252, site: None };
    pub(crate) const RETURNED: SliceEnd = SliceEnd { code: 253, site: None };
    pub(crate) const PANICKED: SliceEnd = SliceEnd { code: 254, site: None };
    pub(crate) const CANCELLED: SliceEnd = SliceEnd { code: 255, site: None };

    /// With the id of a coroutine: that under which the names have why it is cancelled.
    pub(super) const WHY_CANCELLED: u64 = 1 << 63;

    /// The coroutine is blocked: for a reason of which only the layer above knows the meaning, below the
    /// codes of the others.
    #[inline(always)]
    pub(crate) fn blocked(reason: u8, site: Option<&'static Location<'static>>) -> SliceEnd {
        SliceEnd { code: reason, site }
    }

    pub(super) fn is_blocked(self) -> bool {
        self.code < SliceEnd::YIELDED.code
    }
}
