use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::program::{Program, run};

const ECHO: &str = env!("CARGO_BIN_EXE_echo");

/// Starts the server on a free port, and returns its address too.
fn start(command: &mut Command) -> (Program, String) {
    let server = Program::start(command.arg("127.0.0.1:0"));
    let line = server.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on ").unwrap().to_owned();
    (server, address)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn assert_echoes(mut stream: &TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(String::from_utf8_lossy(&back), text);
}

#[test]
fn echoes_to_many_at_once() {
    let (mut server, address) = start(&mut Command::new(ECHO));
    let streams: Vec<_> = (0..100).map(|_| connect(&address)).collect();
    for round in 0..3 {
        for (number, stream) in streams.iter().enumerate() {
            assert_echoes(stream, &format!("round {round} of stream {number}"));
        }
    }
    assert!(server.is_running());
}

#[test]
fn ends_a_connection_when_its_client_does() {
    let (_server, address) = start(&mut Command::new(ECHO));
    let mut stream = connect(&address);
    stream.write_all(b"last words").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut back = String::new();
    stream.read_to_string(&mut back).unwrap();
    assert_eq!(back, "last words");
}

#[test]
fn an_address_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(Command::new(ECHO).arg(&address));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&format!("cannot listen on {address}")), "{ended:?}");
    assert!(ended.stderr.contains("choose another port"), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_bad_address_is_reported() {
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:70000", "", "192.0.2.1:0"] {
        let ended = run(Command::new(ECHO).arg(address));
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert!(ended.stderr.starts_with("echo: "), "{ended:?}");
        assert!(ended.stderr.contains(&format!("`{address}`")), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

/// Those who are connected are served, those who come later when others have left.
#[cfg(unix)]
#[test]
fn the_descriptor_limit_is_reported_and_survived() {
    let workers = std::thread::available_parallelism().unwrap().get();
    let limit = 40 + 4 * workers;
    let (server, address) = start(&mut crate::program::limited(&format!("-n {limit}"), ECHO));
    let mut streams: Vec<_> = (0..limit).map(|_| connect(&address)).collect();
    server.stderr.wait_for("cannot accept a connection");

    assert_echoes(&streams[0], "served before");
    let last = streams.pop().unwrap();
    streams.truncate(1);
    assert_echoes(&last, "served later");
    assert_echoes(&streams[0], "served all along");
}
