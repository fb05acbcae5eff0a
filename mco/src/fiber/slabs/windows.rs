//! Where stacks lie on Windows: each is a reservation of its own, by `corosensei`, since the system grows stacks by
//! itself and wants to know where each begins and ends (in the thread's environment block, which each switch
//! changes). One that is given back is gone at once.

#![allow(unsafe_code)]

use std::num::NonZeroUsize;

use corosensei::stack::{DefaultStack, Stack, StackPointer, StackTebFields};

use super::super::Bounds;
use super::super::error::Cause;
use super::super::page::page_size;

/// Where one worker has its stacks of one size from.
pub(super) struct Source {
    /// `None`: more than there can be addresses for.
    size: Option<usize>,
}

/// A stack of its own.
pub(super) struct Space(DefaultStack);

impl Source {
    pub(super) fn new(size: usize, head_room: usize) -> Source {
        // Room for what `corosensei` adds.
        let most = isize::MAX as usize - (1 << 20);
        Source { size: size.checked_add(head_room).filter(|size| *size <= most) }
    }

    pub(super) fn take(&mut self) -> Result<Space, Cause> {
        let Some(size) = self.size else {
            return Err(Cause::TooLarge { limit: isize::MAX as usize, remedy: "" });
        };
        DefaultStack::new(size).map(Space).map_err(Cause::System)
    }

    #[expect(clippy::unused_self, reason = "others keep it")]
    pub(super) fn give(&mut self, space: Space) {
        drop(space);
    }

    #[expect(clippy::unused_self, reason = "others have something to trim")]
    pub(super) fn is_clean(&self) -> bool {
        true
    }

    #[expect(clippy::unused_self, reason = "others have something to trim")]
    pub(super) fn trim(&mut self) {}
}

impl Space {
    /// The system's guard moves as the stack grows. It has come to its end where what it has promised to
    /// handlers is all that is left.
    pub(super) fn bounds(&self) -> Bounds {
        let guard = self.0.limit().get();
        // A page that is never had, what is promised, and the guard's pages, which are two.
        let kept = page_size() + self.0.teb_fields().GuaranteedStackBytes + 2 * page_size();
        Bounds { guard, bottom: guard + kept, top: self.0.base().get() }
    }

    #[expect(clippy::unused_self, reason = "others have one")]
    pub(super) fn colour(&self) -> usize {
        0
    }

    /// For the engine: the part of the stack below `base`.
    pub(super) fn part_below(&self, base: NonZeroUsize) -> Part {
        Part { base, limit: self.0.limit(), fields: self.0.teb_fields() }
    }
}

/// What the engine is told of a stack.
pub(super) struct Part {
    base: StackPointer,
    limit: StackPointer,
    /// What the thread's environment block says while it runs. It changes as the stack grows.
    fields: StackTebFields,
}

// SAFETY: below `base` there are `MIN_STACK_SIZE` bytes and more, and below them a guard down to `limit`. The fields
// are those of the whole stack.
unsafe impl Stack for Part {
    #[inline(always)]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.limit
    }

    #[inline]
    fn teb_fields(&self) -> StackTebFields {
        self.fields
    }

    #[inline]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.fields.StackLimit = stack_limit;
        self.fields.GuaranteedStackBytes = guaranteed_stack_bytes;
    }
}
