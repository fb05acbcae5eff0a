//! Where a body ends.

use httparse::{InvalidChunkSize, Status};

use super::Limits;
use super::buffer::Buffer;
use super::request::Refusal;

/// Of a line with the length of a chunk, or of the headers after the last one.
const LONGEST_LINE: usize = 1024;

/// Takes chunks out of a buffer that begins with the request's head, and puts them together.
#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) body: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Size,
    /// So many bytes of the chunk are still to come.
    Data(usize),
    /// The line's end after a chunk.
    DataEnd,
    /// Headers after the last chunk, which mean nothing here, up to an empty line.
    Trailers,
}

impl Chunks {
    pub(super) fn new() -> Chunks {
        Chunks { body: Vec::new(), state: State::Size }
    }

    /// Takes what has arrived; what it has used is gone from the buffer. `true`: that was all.
    pub(super) fn take(
        &mut self,
        buffer: &mut Buffer,
        head: usize,
        limits: &Limits,
    ) -> Result<bool, Refusal> {
        let mut at = head;
        let outcome = self.take_from(buffer.bytes(), &mut at, limits);
        buffer.remove(head, at);
        outcome
    }

    /// Moves `at` behind what has been used.
    fn take_from(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        limits: &Limits,
    ) -> Result<bool, Refusal> {
        loop {
            let rest = &bytes[*at..];
            match self.state {
                State::Size => match httparse::parse_chunk_size(rest) {
                    Ok(Status::Complete((used, size))) => {
                        *at += used;
                        let size = usize::try_from(size).unwrap_or(usize::MAX);
                        if size > limits.body - self.body.len() {
                            return Err(Refusal(413, "the body is too large"));
                        }
                        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                    }
                    Ok(Status::Partial) if rest.len() < LONGEST_LINE => return Ok(false),
                    Ok(Status::Partial) | Err(InvalidChunkSize) => {
                        return Err(Refusal(400, "the length of a chunk is malformed"));
                    }
                },
                State::Data(size) => {
                    let count = size.min(rest.len());
                    self.body.extend_from_slice(&rest[..count]);
                    *at += count;
                    if count < size {
                        self.state = State::Data(size - count);
                        return Ok(false);
                    }
                    self.state = State::DataEnd;
                }
                State::DataEnd => {
                    if !b"\r\n".starts_with(&rest[..rest.len().min(2)]) {
                        return Err(Refusal(400, "a chunk is longer than it says"));
                    }
                    if rest.len() < 2 {
                        return Ok(false);
                    }
                    *at += 2;
                    self.state = State::Size;
                }
                State::Trailers => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        return match rest.len() < LONGEST_LINE {
                            true => Ok(false),
                            false => Err(Refusal(431, "the headers after the body are too large")),
                        };
                    };
                    *at += end + 1;
                    if rest[..end].trim_ascii().is_empty() {
                        return Ok(true);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, and what is left of `text`, given so many bytes at a time.
    fn take(text: &str, pace: usize) -> Result<Option<(String, String)>, Refusal> {
        let limits = Limits { body: 40, ..crate::http::default_limits() };
        let (mut chunks, mut buffer) = (Chunks::new(), Buffer::new());
        buffer.read_from(&mut &b"head"[..]).unwrap();
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            let (mut now, later) = bytes.split_at(pace.min(bytes.len()));
            bytes = later;
            buffer.read_from(&mut now).unwrap();
            if chunks.take(&mut buffer, 4, &limits)? {
                let left = [&buffer.bytes()[4..], bytes].concat();
                let body = String::from_utf8(chunks.body).unwrap();
                return Ok(Some((body, String::from_utf8(left).unwrap())));
            }
        }
        Ok(None)
    }

    #[test]
    fn chunks_are_put_together_however_they_arrive() {
        let text = "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /";
        for pace in 1..=text.len() {
            let expected = ("abc0123456789".to_owned(), "GET /".to_owned());
            assert_eq!(take(text, pace), Ok(Some(expected)), "{pace} at a time");
        }
    }

    #[test]
    fn no_beginning_is_taken_for_the_whole() {
        let text = "3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(take(&text[..end], 100), Ok(None), "{end} bytes");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_the_status() {
        let long_line = "x".repeat(LONGEST_LINE);
        for (status, text) in [
            (400, "x\r\n"),
            (400, "-3\r\n"),
            (400, "3\r\nabcd\r\n"),
            (400, &format!("3;{long_line}")),
            (413, "ffffffffffffffff\r\n"),
            (413, "29\r\n"),
            (413, &format!("20\r\n{}\r\n9\r\n", "x".repeat(32))),
            (431, &format!("0\r\n{long_line}")),
        ] {
            assert_eq!(take(text, 10).unwrap_err().0, status, "{text}");
        }
    }
}
