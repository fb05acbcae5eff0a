//! A client of HTTP/1, as simple as it can be.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection that may be used for several requests.
pub(crate) struct Asking(BufReader<TcpStream>);

impl Asking {
    pub(crate) fn connect(address: &str) -> Asking {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Asking(BufReader::new(stream))
    }

    /// Sends what is no answered yet.
    pub(crate) fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(text.as_ref()).unwrap();
    }

    pub(crate) fn send_get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
    }

    /// The next answer: its status and its body, which must come with its length.
    pub(crate) fn receive(&mut self) -> (u16, Vec<u8>) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut length = None;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            let (name, value) =
                line.split_once(':').unwrap_or_else(|| panic!("a header: {line:?}"));
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse().unwrap());
            }
        }
        let mut body = vec![0; length.expect("a length")];
        self.0.read_exact(&mut body).unwrap();
        (status, body)
    }

    pub(crate) fn get(&mut self, path: &str) -> (u16, String) {
        self.send_get(path);
        let (status, body) = self.receive();
        (status, String::from_utf8(body).unwrap())
    }

    /// Whether the server has closed the connection, without having said anything more.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).is_ok_and(|n| n == 0)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }
}
