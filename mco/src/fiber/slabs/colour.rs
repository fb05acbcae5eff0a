//! Which lines of the cache the tops of stacks fall into.

/// The size of a line of the cache, in bytes.
pub(super) const LINE: usize = 64;
/// The control block and the frames of a coroutine that waits take some lines, and the rest of the topmost page
/// has room for moving them about.
pub(super) const COLOURS: usize = 8;
pub(super) const COLOUR: usize = 4 * LINE;

/// Which number of bytes the stack with this number leaves unused.
#[cfg_attr(windows, expect(dead_code, reason = "stacks have no numbers there"))]
pub(super) fn colour_of(index: usize) -> usize {
    index % COLOURS * COLOUR
}
