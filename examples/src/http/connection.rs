//! A client's requests, one after the other.

use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use mco::coroutine::Cancelled;
use mco::std::time::{Elapsed, timeout};

use super::body::Chunks;
use super::buffer::Buffer;
use super::request::{self, BodyKind, Framing, Refusal, Request};
use super::response::{Manner, Response};
use super::server::Presence;
use super::{Limits, Stream};

/// Answers to requests that have arrived together leave together, up to about so many bytes.
const LARGE_OUTPUT: usize = 64 * 1024;

/// How long, and for how many bytes, the other side is listened to after the last answer. If bytes
/// came that nobody reads, the system would reset the connection, and the answer could get lost.
const PARTING_TIME: Duration = Duration::from_secs(1);
const PARTING_BYTES: usize = 256 * 1024;

pub(super) struct Connection<'a, S, H> {
    stream: S,
    limits: &'a Limits,
    handler: &'a H,
    presence: &'a Presence<'a>,
    input: Buffer,
    output: Vec<u8>,
}

/// Why a request was not read to its end.
enum Failure {
    Refused(Refusal),
    Broken(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Broken(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl<'a, S: Stream, H: Fn(&Request<'_>) -> Response> Connection<'a, S, H> {
    pub(super) fn new(
        stream: S,
        limits: &'a Limits,
        handler: &'a H,
        presence: &'a Presence<'a>,
    ) -> Connection<'a, S, H> {
        let (input, output) = (Buffer::new(), Vec::new());
        Connection { stream, limits, handler, presence, input, output }
    }

    /// Serves the client to the end of the connection.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    pub(super) fn run(mut self) -> io::Result<()> {
        while self.has_request()? {
            match self.exchange() {
                Ok(Continue(())) => {}
                Ok(Break(())) => return self.part(),
                Err(Failure::Broken(error)) => return Err(error),
                Err(Failure::Refused(refusal)) => return self.refuse(refusal),
            }
        }
        Ok(())
    }

    /// Waits for the first bytes of a request. `false`: there will be none.
    fn has_request(&mut self) -> io::Result<bool> {
        if !self.input.is_empty() {
            return Ok(true);
        }
        self.flush()?;
        // In between, the end of the server may cancel this coroutine.
        if !self.presence.becomes_idle() {
            return Ok(false);
        }
        let arrived = timeout(self.limits.idle_time, || self.input.read_from(&mut self.stream));
        if !self.presence.becomes_busy() {
            return Ok(false);
        }
        match arrived {
            Ok(count) => Ok(count? > 0),
            Err(Elapsed) => Ok(false),
        }
    }

    /// Reads the rest of a request and answers it. `Break`: it was the last one.
    fn exchange(&mut self) -> Result<ControlFlow<()>, Failure> {
        loop {
            let (bytes, mut headers) = (self.input.bytes(), request::no_headers());
            match request::parse(bytes, &mut headers, self.limits)? {
                None => self.read_head()?,
                Some((request, framing)) => {
                    let end = match framing.body {
                        BodyKind::Length(length) => framing.head + length,
                        BodyKind::Chunked => usize::MAX,
                    };
                    let Some(body) = bytes.get(framing.head..end) else {
                        return self.exchange_with_body(framing);
                    };
                    let response = respond(self.handler, &request.with_body(body));
                    return self.answer(response, framing, end);
                }
            }
        }
    }

    /// Reads until there is a whole head, which has to be soon.
    fn read_head(&mut self) -> Result<(), Failure> {
        self.flush()?;
        let in_time = timeout(self.limits.head_time, || {
            loop {
                let known = self.input.len();
                self.read()?;
                // Or somebody who sends a byte at a time would have it all parsed each time.
                let is_worth_it = self.input.bytes()[known..].contains(&b'\n')
                    || self.input.len() >= self.limits.head;
                let (bytes, mut headers) = (self.input.bytes(), request::no_headers());
                if is_worth_it && request::parse(bytes, &mut headers, self.limits)?.is_some() {
                    return Ok(());
                }
            }
        });
        in_time.unwrap_or(Err(Refusal(408, "the headers took too long").into()))
    }

    /// As `exchange`, for a body of which only the beginning has arrived, or nothing.
    fn exchange_with_body(&mut self, framing: Framing) -> Result<ControlFlow<()>, Failure> {
        if framing.expects_continue && self.input.len() == framing.head {
            self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.flush()?;
        let in_time = timeout(self.limits.body_time, || match framing.body {
            BodyKind::Length(length) => {
                while self.input.len() < framing.head + length {
                    self.read()?;
                }
                Ok(None)
            }
            BodyKind::Chunked => {
                let mut chunks = Chunks::new();
                while !chunks.take(&mut self.input, framing.head, self.limits)? {
                    self.read()?;
                }
                Ok(Some(chunks.body))
            }
        });
        let chunked =
            in_time.unwrap_or(Err(Failure::from(Refusal(408, "the body took too long"))))?;

        // Once more, for what the request says is in the buffer, which may have moved.
        let (bytes, mut headers) = (self.input.bytes(), request::no_headers());
        let parsed = request::parse(&bytes[..framing.head], &mut headers, self.limits)?;
        let (request, _) = parsed.expect("it was complete before");
        let (body, end) = match (&chunked, framing.body) {
            (None, BodyKind::Length(length)) => {
                let end = framing.head + length;
                (&bytes[framing.head..end], end)
            }
            (body, _) => (body.as_deref().unwrap_or_default(), framing.head),
        };
        let response = respond(self.handler, &request.with_body(body));
        self.answer(response, framing, end)
    }

    /// Sends an answer, or keeps it back if there is another request to be answered with it.
    fn answer(
        &mut self,
        response: Response,
        framing: Framing,
        used: usize,
    ) -> Result<ControlFlow<()>, Failure> {
        let keep_alive = framing.keep_alive && !self.presence.is_last();
        let manner = Manner { keep_alive, is_old: framing.is_old, without_body: framing.is_head };
        response.write_to(&mut self.output, manner);
        self.input.consume(used);
        if self.output.len() > LARGE_OUTPUT {
            self.flush()?;
        }
        Ok(if keep_alive { Continue(()) } else { Break(()) })
    }

    /// Says why a request is not served, and ends the connection: where the next one would begin is
    /// not known.
    fn refuse(mut self, refusal: Refusal) -> io::Result<()> {
        let Refusal(status, text) = refusal;
        let manner = Manner { keep_alive: false, is_old: false, without_body: false };
        Response::new(status, format!("{text}\n")).write_to(&mut self.output, manner);
        self.part()
    }

    /// Ends the connection so that the other side gets what it has been sent.
    fn part(mut self) -> io::Result<()> {
        self.flush()?;
        self.stream.end_writing()?;
        let mut left = PARTING_BYTES;
        let mut piece = [0; 4096];
        let parting = timeout(PARTING_TIME, || {
            while let Ok(count @ 1..) = self.stream.read(&mut piece) {
                left = left.saturating_sub(count);
                if left == 0 {
                    return;
                }
            }
        });
        // That it took longer is its own affair.
        let _: Result<(), Elapsed> = parting;
        Ok(())
    }

    /// Waits for more of a request.
    fn read(&mut self) -> io::Result<()> {
        match self.input.read_from(&mut self.stream)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the request is cut off")),
            _ => Ok(()),
        }
    }

    /// Sends the answers that have been kept back.
    fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        timeout(self.limits.write_time, || {
            self.stream.write_all(&self.output)?;
            self.stream.flush()
        })??;
        self.output.clear();
        self.output.shrink_to(LARGE_OUTPUT);
        Ok(())
    }
}

/// A handler that panics has panicked over one request; the others go on.
fn respond<H: Fn(&Request<'_>) -> Response>(handler: &H, request: &Request<'_>) -> Response {
    match catch_unwind(AssertUnwindSafe(|| handler(request))) {
        Ok(response) => response,
        Err(payload) if payload.is::<Cancelled>() => resume_unwind(payload),
        Err(_) => Response::new(500, "something went wrong here\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{Read, Write};

    use super::*;
    use crate::http::{default_limits, routes};

    /// What arrives, a piece a read, and what is written, a piece a write.
    #[derive(Default)]
    struct Script {
        arrives: VecDeque<Vec<u8>>,
        written: Vec<String>,
        has_ended: bool,
    }

    impl Read for &mut Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.arrives.front_mut() else { return Ok(0) };
            let count = piece.len().min(buffer.len());
            buffer[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                self.arrives.pop_front();
            }
            Ok(count)
        }
    }

    impl Write for &mut Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(!self.has_ended, "nothing may follow the end");
            self.written.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for &mut Script {
        fn end_writing(&mut self) -> io::Result<()> {
            self.has_ended = true;
            Ok(())
        }
    }

    fn handle(request: &Request<'_>) -> Response {
        assert_ne!(request.path(), "/panic", "on purpose");
        routes::handle(request)
    }

    /// What is written when these pieces arrive, and how it ends.
    fn written(pieces: &[&str]) -> (Vec<String>, io::Result<()>) {
        let arrives = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        let mut script = Script { arrives, ..Script::default() };
        let mut end = Ok(());
        Presence::alone(|presence| {
            let limits = default_limits();
            end = Connection::new(&mut script, &limits, &handle, presence).run();
        });
        (script.written, end)
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    #[mco::test]
    fn what_arrives_together_is_answered_together() {
        let (written, end) = written(&[GET, &GET.repeat(100), GET]);
        let answers: Vec<_> = written.iter().map(|text| text.matches("200 OK").count()).collect();
        assert_eq!(answers, [1, 100, 1]);
        end.unwrap();
    }

    #[mco::test]
    fn an_answer_does_not_wait_for_a_request_that_is_incomplete() {
        let (half, rest) = GET.split_at(10);
        let (written, end) = written(&[&format!("{GET}{GET}{half}"), rest]);
        let answers: Vec<_> = written.iter().map(|text| text.matches("200 OK").count()).collect();
        assert_eq!(answers, [2, 1]);
        end.unwrap();
    }

    #[mco::test]
    fn many_large_answers_leave_in_between() {
        let body = "x".repeat(20_000);
        let post = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n{body}");
        let (written, end) = written(&[&post.repeat(8)]);
        let sizes: Vec<_> = written.iter().map(String::len).collect();
        assert!(sizes.iter().all(|size| *size < LARGE_OUTPUT + 30_000), "{sizes:?}");
        assert_eq!(written.concat().matches(&body).count(), 8);
        end.unwrap();
    }

    #[mco::test]
    fn a_request_that_is_cut_off_is_an_error() {
        let chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
        for request in [&GET[..10], chunked] {
            let (written, end) = written(&[GET, request]);
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(written.len(), 1, "{written:?}");
        }
    }

    #[mco::test]
    fn a_handler_that_panics_has_failed_at_one_request() {
        let panics = "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n";
        let (written, end) = written(&[panics, GET]);
        assert!(written[0].starts_with("HTTP/1.1 500 "), "{written:?}");
        assert!(written[1].starts_with("HTTP/1.1 200 "), "{written:?}");
        end.unwrap();
    }
}
