//! What is the same in every server: the buffer, the search for blank lines, the bytes of the answer.

use std::sync::LazyLock;

const BUFFER: usize = 16 * 1024;
const BLANK_LINE: &[u8; 4] = b"\r\n\r\n";
/// Of a blank line, what may have come with the read before.
const CARRY: usize = BLANK_LINE.len() - 1;
/// No read can end more requests than this, not even one of nothing but line ends.
const MOST: usize = (CARRY + BUFFER) / 2;

pub(crate) const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

/// As many responses as may ever go out at once.
static RESPONSES: LazyLock<Vec<u8>> = LazyLock::new(|| RESPONSE.repeat(MOST));

/// One connection's side of the talk.
pub(super) struct Exchange {
    /// The last bytes of the read before, then room for the next.
    buffer: Box<[u8]>,
}

impl Exchange {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; CARRY + BUFFER].into() }
    }

    /// Where to read to.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[CARRY..]
    }

    /// The responses to all requests that end within the `length` bytes that were just read.
    pub(super) fn responses(&mut self, length: usize) -> &'static [u8] {
        let requests = self.buffer[..CARRY + length]
            .windows(BLANK_LINE.len())
            .filter(|w| w == BLANK_LINE)
            .count();
        self.buffer.copy_within(length..length + CARRY, 0);
        &RESPONSES[..requests * RESPONSE.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(exchange: &mut Exchange, bytes: &[u8]) -> usize {
        exchange.room()[..bytes.len()].copy_from_slice(bytes);
        exchange.responses(bytes.len()).len() / RESPONSE.len()
    }

    #[test]
    fn requests_are_found_wherever_a_read_cuts_them() {
        let two = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        for cut in 1..two.len() {
            let mut exchange = Exchange::new();
            assert_eq!(
                answers(&mut exchange, &two[..cut]) + answers(&mut exchange, &two[cut..]),
                2,
                "cut at {cut}"
            );
        }
        let mut exchange = Exchange::new();
        assert_eq!(two.iter().map(|byte| answers(&mut exchange, &[*byte])).sum::<usize>(), 2);
    }

    #[test]
    fn nothing_but_line_ends_is_survived() {
        let mut exchange = Exchange::new();
        let line_ends = b"\r\n".repeat(BUFFER / 2);
        assert_eq!(answers(&mut exchange, &line_ends), BUFFER / 2 - 1);
        assert_eq!(answers(&mut exchange, &line_ends), BUFFER / 2);
    }
}
