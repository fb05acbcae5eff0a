//! What clients and servers say to each other, and what is the same in every server: the buffer, the search for blank
//! lines, the work of a heavy request, the bytes of the answer.

use crate::row::HeavyRequest;
use crate::system::thread_time;
use std::hint::black_box;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

const BUFFER: usize = 16 * 1024;
const BLANK_LINE: &[u8; 4] = b"\r\n\r\n";
/// Of a blank line, what may have come with the read before.
const CARRY: usize = BLANK_LINE.len() - 1;
/// No read can end more requests than this, not even one of nothing but line ends.
const MOST: usize = (CARRY + BUFFER) / 2;

pub(crate) const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

/// A request that is answered at once.
pub(crate) const LIGHT_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// What a request begins with that is answered after some work.
const COMPUTE: &[u8] = b"GET /compute ";
const BLOCK: &[u8] = b"GET /block ";
/// How much work that is.
const WORK: Duration = Duration::from_millis(1);

/// A request of some work.
pub(crate) fn heavy_request(kind: HeavyRequest) -> Vec<u8> {
    let start = match kind {
        HeavyRequest::Compute => COMPUTE,
        HeavyRequest::Block => BLOCK,
    };
    [start, b"HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat()
}

/// As many responses as may ever go out at once.
static RESPONSES: LazyLock<Vec<u8>> = LazyLock::new(|| RESPONSE.repeat(MOST));

/// One connection's side of the talk.
pub(crate) struct Exchange {
    /// The last bytes of the read before, then room for the next.
    buffer: Box<[u8]>,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; CARRY + BUFFER].into() }
    }

    /// Where to read to.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[CARRY..]
    }

    /// The responses to all requests that end within the `length` bytes that were just read. A heavy request comes
    /// alone; its work is done here.
    pub(crate) fn responses(&mut self, length: usize) -> &'static [u8] {
        let read = &self.buffer[CARRY..CARRY + length];
        if read.starts_with(COMPUTE) {
            compute();
        } else if read.starts_with(BLOCK) {
            thread::sleep(WORK);
        }
        let requests = self.buffer[..CARRY + length]
            .windows(BLANK_LINE.len())
            .filter(|w| w == BLANK_LINE)
            .count();
        self.buffer.copy_within(length..length + CARRY, 0);
        &RESPONSES[..requests * RESPONSE.len()]
    }
}

/// Works by the thread's own clock, so that a machine that is slow or busy does not make it more or less.
#[cold]
fn compute() {
    let end = thread_time() + WORK;
    let mut number = 1_u64;
    while thread_time() < end {
        for _ in 0..1000 {
            number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
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
