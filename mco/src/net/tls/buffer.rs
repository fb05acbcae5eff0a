//! Where bytes from the socket wait for rustls.

/// At first, and while little comes at once.
const SMALLEST: usize = 4 * 1024;
/// Two records and a little.
const LARGEST: usize = 32 * 1024 + 64;

/// Bytes that came and were not given to rustls. It is filled anew only when it is empty.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// What is there: from here
    start: usize,
    /// to here.
    end: usize,
    /// How long it is to be when it is filled next.
    size: usize,
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer { bytes: Vec::new(), start: 0, end: 0, size: SMALLEST }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Where to read to; what was there must have been consumed.
    pub(super) fn room(&mut self) -> &mut [u8] {
        debug_assert!(self.is_empty(), "it is filled anew only when it is empty");
        (self.start, self.end) = (0, 0);
        if self.bytes.len() != self.size {
            self.bytes.resize(self.size, 0);
            self.bytes.shrink_to_fit();
        }
        &mut self.bytes
    }

    /// The first `count` bytes of the room have been filled.
    pub(super) fn filled(&mut self, count: usize) {
        self.end = count;
        if count == self.bytes.len() {
            self.size = LARGEST.min(2 * self.size);
        } else if count < self.size / 8 {
            self.size = SMALLEST.max(self.size / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_it_is_filled_and_shrinks_after() {
        let mut buffer = Buffer::new();
        let mut fill = |part: fn(usize) -> usize| {
            let length = buffer.room().len();
            buffer.filled(part(length));
            assert_eq!(buffer.content().len(), part(length));
            buffer.consume(part(length));
            assert!(buffer.is_empty());
            length
        };
        assert_eq!(fill(|length| length), SMALLEST);
        assert_eq!(fill(|length| length), 2 * SMALLEST);
        assert!((0..4).map(|_| fill(|length| length)).all(|length| length <= LARGEST));
        assert_eq!(fill(|length| length / 2), LARGEST);
        assert_eq!(fill(|_| 1), LARGEST);
        assert_eq!(fill(|_| 1), LARGEST / 2);
        assert!((0..4).any(|_| fill(|_| 1) == SMALLEST));
    }
}
