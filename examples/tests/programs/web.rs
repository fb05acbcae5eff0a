//! A client that speaks HTTP by hand, and looks closely.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Of a server that is silent for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub(crate) struct Client<S: Read + Write = TcpStream> {
    stream: BufReader<S>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client::over(stream)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Client<S> {
        Client { stream: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request without a body.
    pub(crate) fn ask(&mut self, method: &str, target: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        if method == "HEAD" { self.head() } else { self.answer() }
    }

    /// Sends a request with a body.
    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> Answer {
        let length = body.len();
        self.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
        self.send(body);
        self.answer()
    }

    /// Reads an answer.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if answer.status >= 200 {
            let length = answer.header("content-length").expect("a length").parse().unwrap();
            answer.body = vec![0; length];
            self.stream.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// Reads an answer that has no body.
    pub(crate) fn head(&mut self) -> Answer {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            assert!(line.ends_with("\r\n"), "the answer ends after {lines:?} and {line:?}");
            line.truncate(line.len() - 2);
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines[0].split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {lines:?}"));
        Answer { status, headers: lines.split_off(1), body: Vec::new() }
    }

    /// The connection must be at its end.
    pub(crate) fn assert_ends(mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "", "the connection should be at its end");
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.headers.iter().filter_map(|line| line.split_once(": "));
        pairs.into_iter().find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn assert(self, status: u16, text: &str) -> Answer {
        assert_eq!((self.status, self.text()), (status, text), "{self:?}");
        self
    }

    /// With this status, and the last of its connection.
    #[track_caller]
    pub(crate) fn assert_last(&self, status: u16) {
        assert_eq!((self.status, self.header("connection")), (status, Some("close")), "{self:?}");
    }
}
