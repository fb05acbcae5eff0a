//! The echo server of mco's first README compiles and runs unchanged: the binary
//! `seed_echo_server`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mco_tests::{HUNG, sockets};

const ADDR: &str = "127.0.0.1:8000";

/// The server's process, which ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Server {
    fn start() -> Server {
        // The address is part of the program. One that nobody listens on refuses.
        if let Err(error) = TcpListener::bind(ADDR) {
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            panic!("{ADDR} is taken by another program, so the server of this test cannot start");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_seed_echo_server"));
        let server = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut server = Server(server.expect("the server starts"));
        let start = Instant::now();
        while TcpStream::connect(ADDR).is_err() {
            if let Some(status) = server.0.try_wait().expect("its state") {
                let mut text = String::new();
                drop(server.0.stderr.take().expect("piped").read_to_string(&mut text));
                panic!("the server ended, {status}:\n{text}");
            }
            assert!(start.elapsed() < HUNG, "the server does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }
}

fn connect() -> TcpStream {
    let stream = TcpStream::connect(ADDR).expect("the server accepts");
    stream.set_read_timeout(Some(HUNG)).expect("a timeout");
    stream
}

/// One test for all of it, since there is one such port.
#[test]
fn it_echoes() {
    let server = Server::start();

    // One after the other.
    for n in 0..100u32 {
        let mut stream = connect();
        let text = format!("hello {n}");
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, text.as_bytes());
    }

    // Many at once, all open, in turns.
    let mut streams: Vec<_> = (0..500).map(|_| connect()).collect();
    for round in 0..5u8 {
        streams.iter_mut().for_each(|stream| stream.write_all(&[round; 10]).unwrap());
        for stream in &mut streams {
            let mut answer = [0; 10];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [round; 10]);
        }
    }
    drop(streams);

    // Much, to its end, by several.
    let transfer = || {
        thread::spawn(|| {
            let data = sockets::pattern(5 << 20);
            let (mut stream, mut received) = (connect(), Vec::new());
            let (mut writer, sent) = (stream.try_clone().unwrap(), data.clone());
            let sender = thread::spawn(move || {
                writer.write_all(&sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            stream.read_to_end(&mut received).unwrap();
            sender.join().unwrap();
            assert!(received == data, "{} bytes, or others, came back", received.len());
        })
    };
    let transfers: Vec<_> = (0..4).map(|_| transfer()).collect();
    transfers.into_iter().for_each(|thread| thread.join().unwrap());

    drop(server);
}
