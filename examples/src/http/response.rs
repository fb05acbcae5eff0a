//! How an answer is written.

use std::cell::RefCell;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mco::std::time::Time;

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    allow: Option<&'static str>,
    body: Vec<u8>,
}

/// What the connection adds to an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) keep_alive: bool,
    /// The client takes keep-alive for an exception.
    pub(super) is_old: bool,
    pub(super) without_body: bool,
}

impl Response {
    /// An answer with this status and body, as plain text.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status,
            content_type: "text/plain; charset=utf-8",
            allow: None,
            body: body.into(),
        }
    }

    /// An answer with bytes as its body.
    #[must_use]
    pub fn of_bytes(body: impl Into<Vec<u8>>) -> Response {
        Response { content_type: "application/octet-stream", ..Response::new(200, body) }
    }

    /// The answer to a method that the target does not have; these it has.
    #[must_use]
    pub fn not_allowed(allow: &'static str) -> Response {
        let text = format!("the methods here are {allow}\n");
        Response { allow: Some(allow), ..Response::new(405, text) }
    }

    /// Appends it to what is to be sent.
    pub(super) fn write_to(&self, output: &mut Vec<u8>, manner: Manner) {
        let Response { status, content_type, allow, body } = self;
        let connection = match (manner.keep_alive, manner.is_old) {
            (true, false) => "",
            (true, true) => "Connection: keep-alive\r\n",
            (false, _) => "Connection: close\r\n",
        };
        with_date(|date| {
            write!(
                output,
                "HTTP/1.1 {status} {}\r\nDate: {date}\r\nContent-Type: {content_type}\r\n\
                 Content-Length: {}\r\n{connection}",
                reason(*status),
                body.len(),
            )
        })
        .expect("a vector takes all");
        if let Some(allow) = allow {
            write!(output, "Allow: {allow}\r\n").expect("a vector takes all");
        }
        output.extend_from_slice(b"\r\n");
        if !manner.without_body {
            output.extend_from_slice(body);
        }
    }
}

/// Calls `f` with the date, which is written once a second and not once a request. A coroutine stays
/// on its thread, so it may use a variable of the thread's.
fn with_date<R>(f: impl FnOnce(&str) -> R) -> R {
    thread_local! {
        static DATE: RefCell<(Duration, String)> = const { RefCell::new((Duration::ZERO, String::new())) };
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    DATE.with_borrow_mut(|(when, text)| {
        if when.as_secs() != now.as_secs() {
            *text = Time::now_utc().format("Mon, 02 Jan 2006 15:04:05 GMT");
            *when = now;
        }
        f(text)
    })
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response, keep_alive: bool, is_old: bool, without_body: bool) -> String {
        let mut output = Vec::new();
        response.write_to(&mut output, Manner { keep_alive, is_old, without_body });
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn an_answer_is_complete() {
        let text = text(&Response::new(404, "no\n"), true, false, false);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lines: Vec<_> = head.split("\r\n").collect();
        assert_eq!(lines[0], "HTTP/1.1 404 Not Found");
        let date = lines[1].strip_prefix("Date: ").unwrap();
        assert_eq!(date.len(), "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{date}");
        assert!(date.ends_with(" GMT"), "{date}");
        assert_eq!(lines[2..], ["Content-Type: text/plain; charset=utf-8", "Content-Length: 3"]);
        assert_eq!(body, "no\n");
    }

    #[test]
    fn the_answer_to_head_has_the_length_and_no_body() {
        let text = text(&Response::new(200, "hello"), true, false, true);
        assert!(text.contains("\r\nContent-Length: 5\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn what_becomes_of_the_connection_is_told() {
        let hello = Response::new(200, "hello");
        assert!(!text(&hello, true, false, false).contains("Connection"));
        assert!(text(&hello, true, true, false).contains("\r\nConnection: keep-alive\r\n"));
        assert!(text(&hello, false, false, false).contains("\r\nConnection: close\r\n"));
        assert!(text(&hello, false, true, false).contains("\r\nConnection: close\r\n"));
    }

    #[test]
    fn a_refused_method_comes_with_the_valid_ones() {
        let text = text(&Response::not_allowed("GET, HEAD"), true, false, false);
        assert!(text.contains("\r\nAllow: GET, HEAD\r\n"), "{text}");
    }
}
