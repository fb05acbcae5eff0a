//! How a request is written, and what is wrong with it.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::Limits;

/// Room for headers on the stack; [`Limits::headers`] is what counts, up to this.
pub(super) const MOST_HEADERS: usize = 128;

/// A place for the headers of a request. Zeroing it would take as long as parsing does.
pub(super) type Headers<'a> = [MaybeUninit<Header<'a>>; MOST_HEADERS];

/// An empty one.
pub(super) const fn no_headers<'a>() -> Headers<'a> {
    [const { MaybeUninit::uninit() }; MOST_HEADERS]
}

/// A request, complete with its body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a [Header<'a>],
    body: &'a [u8],
}

/// What has to be known to read the rest, and to answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Framing {
    /// Bytes up to the body.
    pub(super) head: usize,
    pub(super) body: BodyKind,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// The client may send another request.
    pub(super) keep_alive: bool,
    /// The client speaks HTTP/1.0, where keep-alive is something to be agreed on.
    pub(super) is_old: bool,
    /// The answer has no body.
    pub(super) is_head: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum BodyKind {
    /// Of a known length, which may be none.
    Length(usize),
    Chunked,
}

/// Why a request is not served: the status of the answer, and what to say. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Refusal(pub(super) u16, pub(super) &'static str);

/// Reads the head of a request from the beginning of `bytes`. `None`: it is not complete.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    headers: &'a mut Headers<'a>,
    limits: &Limits,
) -> Result<Option<(Request<'a>, Framing)>, Refusal> {
    let room = limits.headers.min(MOST_HEADERS);
    let mut parsed = httparse::Request::new(&mut []);
    let head = match parsed.parse_with_uninit_headers(bytes, &mut headers[..room]) {
        Ok(Status::Complete(head)) => head,
        Ok(Status::Partial) if bytes.len() < limits.head => return Ok(None),
        Ok(Status::Partial) => return Err(too_large(bytes)),
        Err(error) => return Err(malformed(error)),
    };
    if head > limits.head {
        return Err(too_large(bytes));
    }
    let httparse::Request {
        method: Some(method),
        path: Some(target),
        version: Some(minor),
        headers,
    } = parsed
    else {
        return Err(Refusal(400, "the request line is incomplete"));
    };
    let request = Request { method, target, headers, body: &[] };
    let framing = Framing {
        head,
        body: request.body_kind(limits)?,
        expects_continue: request.expects_continue()? && minor > 0,
        keep_alive: request.wants_keep_alive(minor),
        is_old: minor == 0,
        is_head: method == "HEAD",
    };
    request.check_target()?;
    if minor > 0 && request.all("host").count() != 1 {
        return Err(Refusal(400, "one `Host` header is needed"));
    }
    Ok(Some((request, framing)))
}

fn too_large(bytes: &[u8]) -> Refusal {
    match bytes.contains(&b'\n') {
        true => Refusal(431, "the headers are too large"),
        false => Refusal(414, "the request line is too long"),
    }
}

fn malformed(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal(431, "there are too many headers"),
        httparse::Error::Version => Refusal(505, "HTTP/1.0 and HTTP/1.1 are spoken here"),
        httparse::Error::HeaderName => Refusal(400, "the name of a header is malformed"),
        httparse::Error::HeaderValue => Refusal(400, "the value of a header is malformed"),
        _ => Refusal(400, "the request is malformed"),
    }
}

impl<'a> Request<'a> {
    /// `GET` and so on, as the client wrote it.
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// What comes before the `?`.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.parts().0
    }

    /// The value after `name=` in what comes after the `?`.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.parts().1.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The header of this name, if there is one; upper and lower case are the same.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The body; empty if there is none.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    pub(super) fn with_body(self, body: &'a [u8]) -> Request<'a> {
        Request { body, ..self }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|header| header.value)
    }

    /// The words of a header that is a list.
    fn words(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let words = self.all(name).flat_map(|value| value.split(|byte| *byte == b','));
        words.map(<[u8]>::trim_ascii).filter(|word| !word.is_empty())
    }

    fn has_word(&self, name: &str, wanted: &str) -> bool {
        self.words(name).any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
    }

    fn parts(&self) -> (&'a str, &'a str) {
        let target = self.target;
        // A client of a proxy writes `http://host/path`.
        let target = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => {
                rest.find('/').map_or("/", |slash| &rest[slash..])
            }
            _ => target,
        };
        target.split_once('?').unwrap_or((target, ""))
    }

    fn check_target(&self) -> Result<(), Refusal> {
        let is_url = self.target.starts_with("http://") || self.target.starts_with("https://");
        let is_valid = self.target.starts_with('/')
            || is_url
            || self.target == "*" && self.method == "OPTIONS";
        is_valid.then_some(()).ok_or(Refusal(400, "the target is no path"))
    }

    /// Whoever is in between must come to the same result, so everything ambiguous is refused.
    fn body_kind(&self, limits: &Limits) -> Result<BodyKind, Refusal> {
        let mut codings = self.words("transfer-encoding");
        let mut lengths = self.words("content-length");
        if let Some(coding) = codings.next() {
            if lengths.next().is_some() {
                return Err(Refusal(400, "a body is in chunks or has a length, not both"));
            }
            if !coding.eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
                return Err(Refusal(501, "`chunked` is the only transfer coding spoken here"));
            }
            return Ok(BodyKind::Chunked);
        }
        let Some(length) = lengths.next() else {
            return match self.all("content-length").next() {
                None => Ok(BodyKind::Length(0)),
                Some(_) => Err(Refusal(400, "`Content-Length` is empty")),
            };
        };
        if lengths.any(|other| other != length) {
            return Err(Refusal(400, "there are two lengths"));
        }
        if !length.iter().all(u8::is_ascii_digit) {
            return Err(Refusal(400, "`Content-Length` is no number"));
        }
        // What does not fit into the number is too large, too.
        let length = str::from_utf8(length).ok().and_then(|text| text.parse().ok());
        match length {
            Some(length) if length <= limits.body => Ok(BodyKind::Length(length)),
            _ => Err(Refusal(413, "the body is too large")),
        }
    }

    fn expects_continue(&self) -> Result<bool, Refusal> {
        match self.header("expect") {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
            Some(_) => Err(Refusal(417, "`100-continue` is all that may be expected")),
        }
    }

    fn wants_keep_alive(&self, minor: u8) -> bool {
        match minor {
            0 => self.has_word("connection", "keep-alive"),
            _ => !self.has_word("connection", "close"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(text: &str) -> Result<Option<Framing>, Refusal> {
        let mut headers = no_headers();
        let limits = Limits { head: 300, headers: 4, body: 1000, ..crate::http::default_limits() };
        parse(text.as_bytes(), &mut headers, &limits).map(|parsed| Some(parsed?.1))
    }

    fn whole(text: &str) -> Framing {
        framing(text).unwrap().expect("it is complete")
    }

    #[test]
    fn each_beginning_of_a_head_is_incomplete() {
        let text = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(framing(&text[..end]), Ok(None), "{end} bytes");
        }
        let expected = Framing {
            head: text.len(),
            body: BodyKind::Length(3),
            expects_continue: false,
            keep_alive: true,
            is_old: false,
            is_head: false,
        };
        assert_eq!(whole(text), expected);
        assert_eq!(whole(&format!("{text}abcGET")), expected);
    }

    #[test]
    fn connections_are_kept_unless_someone_objects() {
        for (version, header, kept) in [
            ("1.1", "Accept: x", true),
            ("1.1", "Connection: close", false),
            ("1.1", "Connection: upgrade, Close", false),
            ("1.0", "Accept: x", false),
            ("1.0", "Connection: Keep-Alive", true),
        ] {
            let text = format!("GET / HTTP/{version}\r\nHost: x\r\n{header}\r\n\r\n");
            assert_eq!(whole(&text).keep_alive, kept, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_the_status() {
        for (status, text) in [
            (400, "GET\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
            (400, "GET x HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 4\r\n\r\n"),
            (400, "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (413, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"),
            (413, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            (417, "GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n"),
            (431, "GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: 5\r\n\r\n"),
            (501, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            (505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
        ] {
            assert_eq!(framing(text).unwrap_err().0, status, "{text}");
        }
        let long = "x".repeat(300);
        assert_eq!(framing(&format!("GET /{long}")).unwrap_err().0, 414);
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\na: {long}");
        assert_eq!(framing(&text).unwrap_err().0, 431);
        assert_eq!(framing(&format!("{text}\r\n\r\n")).unwrap_err().0, 431);
    }

    #[test]
    fn what_may_be_said_in_several_ways_is_understood() {
        for text in [
            "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\nhost: x\n\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        ] {
            whole(text);
        }
        let chunked = "POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: Chunked\r\n\r\n";
        assert_eq!(whole(chunked).body, BodyKind::Chunked);
        assert!(
            whole("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n\r\n").expects_continue
        );
        assert!(!whole("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
    }

    #[test]
    fn a_target_has_a_path_and_values() {
        for (target, path, ms) in [
            ("/sleep?a=b&ms=5", "/sleep", Some("5")),
            ("/sleep?ms", "/sleep", None),
            ("/", "/", None),
            ("http://host:80/x?ms=7", "/x", Some("7")),
            ("http://host", "/", None),
            ("/a://b/c", "/a://b/c", None),
        ] {
            let request = Request { method: "GET", target, headers: &[], body: &[] };
            assert_eq!((request.path(), request.query("ms")), (path, ms), "{target}");
        }
    }
}
