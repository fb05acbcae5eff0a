//! One client: its connection, what it sends, and the check of what comes back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mco::net::TcpStream;

/// A longer message goes in pieces of this size, each of which comes back before the next one goes.
/// If both ends only wrote, each would wait for the other to read.
const PIECE: usize = 16 * 1024;

/// How long the server may take for a piece.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    number: usize,
    stream: TcpStream,
    message_size: usize,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(
        number: usize,
        server: SocketAddr,
        message_size: usize,
    ) -> Result<Client, String> {
        let connect = || {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            io::Result::Ok(stream)
        };
        let stream =
            connect().map_err(|error| format!("client {number} cannot connect: {error}"))?;
        let buffer = vec![0; message_size.min(PIECE)];
        Ok(Client { number, stream, message_size, sent: buffer.clone(), received: buffer })
    }

    /// Sends a message and compares what comes back with it. The error says what is wrong.
    pub(crate) fn exchange(&mut self, round: u64) -> Result<(), String> {
        let mut content = Content::new(self.number, round);
        let mut done = 0;
        while done < self.message_size {
            let length = PIECE.min(self.message_size - done);
            let (sent, received) = (&mut self.sent[..length], &mut self.received[..length]);
            content.fill(sent);
            let moved = self.stream.write_all(sent).and_then(|()| self.stream.read_exact(received));
            let wrong = match moved {
                Ok(()) => first_difference(sent, received, done),
                Err(error) => {
                    Some(format!("expected bytes {done}..{} back: {error}", done + length))
                }
            };
            if let Some(wrong) = wrong {
                return Err(format!("client {}, round {round}: {wrong}", self.number));
            }
            done += length;
        }
        Ok(())
    }

    /// Ends the connection, on which nothing must be left.
    pub(crate) fn close(mut self) -> Result<(), String> {
        let end = self.stream.shutdown(Shutdown::Write).and_then(|()| self.stream.read(&mut [0]));
        match end {
            Ok(0) => Ok(()),
            Ok(_) => Err(format!("client {}: expected the end, more bytes came", self.number)),
            Err(error) => Err(format!("client {}: expected the end: {error}", self.number)),
        }
    }
}

fn first_difference(sent: &[u8], received: &[u8], offset: usize) -> Option<String> {
    let at = sent.iter().zip(received).position(|(sent, received)| sent != received)?;
    let (expected, found) = (sent[at], received[at]);
    Some(format!("expected byte {} to be {expected:#04x}, found {found:#04x}", offset + at))
}

/// Bytes that look random, and that no other client or round has (the generator is splitmix64).
struct Content {
    state: u64,
}

impl Content {
    fn new(client: usize, round: u64) -> Content {
        let mut content = Content { state: client as u64 };
        content.state = content.next() ^ round;
        content
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mco::go;
    use mco::net::TcpListener;

    /// What a client says that sends one message of `size` bytes, as its round 7, to a server which
    /// runs `serve`, and then closes.
    fn complaint(
        size: usize,
        serve: impl FnOnce(TcpStream) + Send + 'static,
    ) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = go!(move || serve(listener.accept().unwrap().0));
        let client = go!(move || {
            let mut client = Client::connect(5, addr, size)?;
            client.exchange(7)?;
            client.close()
        });
        let said = client.join().unwrap();
        server.join().unwrap();
        said
    }

    /// Reads `size` bytes, changes them and sends them back.
    fn echo_changed(size: usize, change: fn(&mut Vec<u8>)) -> Result<(), String> {
        complaint(size, move |mut stream| {
            let mut bytes = vec![0; size];
            stream.read_exact(&mut bytes).unwrap();
            change(&mut bytes);
            stream.write_all(&bytes).unwrap();
        })
    }

    #[test]
    fn a_faithful_echo_is_accepted() {
        for size in [1, 7, 8, 1000, PIECE] {
            assert_eq!(echo_changed(size, |_| ()), Ok(()), "{size} bytes");
        }
    }

    #[test]
    fn a_message_of_many_pieces_is_accepted() {
        let echoed = complaint(3 * PIECE + 1, |stream| {
            std::io::copy(&mut &stream, &mut &stream).unwrap();
        });
        assert_eq!(echoed, Ok(()));
    }

    #[test]
    fn a_changed_byte_is_found() {
        let said = echo_changed(1000, |bytes| bytes[713] ^= 0xff).unwrap_err();
        assert!(said.starts_with("client 5, round 7: expected byte 713 to be 0x"), "{said}");
    }

    #[test]
    fn a_missing_byte_is_found() {
        let said = echo_changed(1000, |bytes| bytes.truncate(999)).unwrap_err();
        assert!(said.starts_with("client 5, round 7: expected bytes 0..1000 back: "), "{said}");
    }

    #[test]
    fn a_byte_too_many_is_found() {
        let said = echo_changed(1000, |bytes| bytes.push(0)).unwrap_err();
        assert_eq!(said, "client 5: expected the end, more bytes came");
    }

    #[test]
    fn content_differs_by_client_and_round() {
        let content = |client, round| {
            let mut bytes = [0; 16];
            Content::new(client, round).fill(&mut bytes);
            bytes
        };
        let mut all: Vec<_> = (0..100).flat_map(|c| (0..100).map(move |r| content(c, r))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100 * 100);
        assert_eq!(content(3, 4), content(3, 4));
    }
}
