//! Bytes that have arrived and are not used up.

use std::io::{self, Read};

const SMALL: usize = 8 * 1024;

/// A request that needed more than this has its memory given back after it.
const LARGE: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// What has arrived and is not used up is `bytes[start..end]`.
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer { bytes: vec![0; SMALL], start: 0, end: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Waits for more; 0 is the end of the stream.
    pub(super) fn read_from(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.end == self.bytes.len() {
            self.make_room();
        }
        let count = stream.read(&mut self.bytes[self.end..])?;
        self.end += count;
        Ok(count)
    }

    /// Moves what is there to the front, or doubles the room. A client that announces much gets it only
    /// as it sends.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        } else {
            self.bytes.resize(2 * self.bytes.len(), 0);
        }
    }

    /// The first `count` bytes are used up.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > LARGE {
                *self = Buffer::new();
            }
        }
    }

    /// Takes out the bytes from `from` to `to`.
    pub(super) fn remove(&mut self, from: usize, to: usize) {
        self.bytes.copy_within(self.start + to..self.end, self.start + from);
        self.end -= to - from;
    }
}
