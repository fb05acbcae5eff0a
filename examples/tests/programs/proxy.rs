use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use mco_examples::unsent::unsent;

use crate::program::{Program, eventually, run};

const PROXY: &str = env!("CARGO_BIN_EXE_proxy");

/// Starts a proxy for what `serve` does with each connection, and returns its address too.
fn start(options: &str, serve: impl Fn(TcpStream) + Clone + Send + 'static) -> (Program, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    start_for(options, &target)
}

fn start_for(options: &str, target: &str) -> (Program, String) {
    let arguments = ["127.0.0.1:0", target];
    let mut command = Command::new(PROXY);
    let proxy = Program::start(command.args(arguments).args(options.split_whitespace()));
    let line = proxy.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on ").unwrap().to_owned();
    (proxy, address)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn echo(mut stream: TcpStream) {
    let mut copy = stream.try_clone().unwrap();
    // It fails if the client goes away.
    let _ = std::io::copy(&mut copy, &mut stream);
    let _ = stream.shutdown(Shutdown::Write);
}

fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| ((at + seed) % 251) as u8 ^ (at >> 14) as u8).collect()
}

#[test]
fn both_directions_carry_much_at_once() {
    let (proxy, address) = start("--verbose", echo);
    let stream = connect(&address);
    let sent = pattern(30_000_000, 0);
    let mut writer = stream.try_clone().unwrap();
    let bytes = sent.clone();
    let sender = thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    assert!(read_all(&stream) == sent);
    sender.join().unwrap();
    let line = proxy.stdout.wait_for("back");
    assert!(line.ends_with(": 30000000 bytes there, 30000000 bytes back"), "{line}");
}

#[test]
fn a_half_closed_connection_is_passed_on_in_both_directions() {
    // The target ends first, and then answers no more but goes on reading.
    let (tell, told) = std::sync::mpsc::channel();
    let (_proxy, address) = start("", move |mut stream| {
        stream.write_all(b"welcome").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        tell.send(read_all(&stream)).unwrap();
    });
    let mut stream = connect(&address);
    assert_eq!(read_all(&stream), b"welcome");
    stream.write_all(b"after the end").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(told.recv_timeout(Duration::from_secs(60)).unwrap(), b"after the end");

    // The client ends first, and then is answered.
    let (_proxy, address) = start("", |mut stream| {
        let asked = read_all(&stream);
        stream.write_all(&[b"you said ", &*asked].concat()).unwrap();
    });
    let mut stream = connect(&address);
    stream.write_all(b"this").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&stream), b"you said this");
}

/// Closes a connection with bytes unread, which resets it. They must come, or have come.
fn reset(stream: TcpStream) {
    stream.peek(&mut [0]).unwrap();
    drop(stream);
}

/// The same where nothing is unread.
fn reset_now(stream: TcpStream) {
    mco::net::TcpStream::try_from(stream).unwrap().set_linger(Some(Duration::ZERO)).unwrap();
}

fn assert_reset(outcome: std::io::Result<usize>) {
    match outcome {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("no reset: {other:?}"),
    }
}

#[test]
fn what_was_sent_before_a_reset_arrives_and_then_the_reset() {
    // More than a client's system takes while nobody reads from it.
    let answer = pattern(10_000_000, 7);
    let sent = answer.clone();
    let (proxy, address) = start("", move |mut stream| {
        stream.write_all(&sent).unwrap();
        // A reset discards what the proxy has not received.
        let stream = mco::net::TcpStream::try_from(stream).unwrap();
        eventually("all is with the proxy", || unsent(&stream) == Some(0));
        stream.peek(&mut [0]).unwrap();
    });
    for round in 0..5 {
        let mut stream = connect(&address);
        stream.write_all(b"x").unwrap();
        let mut bytes = Vec::new();
        if round % 2 == 1 {
            // It reads only when the proxy has learnt of the reset.
            bytes.resize(9_900_000, 0);
            stream.read_exact(&mut bytes).unwrap();
            proxy.stderr.wait_for("cannot read from the target: ");
        }
        assert_reset(stream.read_to_end(&mut bytes));
        assert!(bytes == answer, "{} bytes arrived", bytes.len());
        if round % 2 == 0 {
            proxy.stderr.wait_for("cannot read from the target: ");
        }
    }
}

#[test]
fn a_reset_of_the_client_is_passed_on_to_the_target() {
    let (tell, told) = std::sync::mpsc::channel();
    let (proxy, address) = start("", move |mut stream| {
        stream.write_all(b"welcome").unwrap();
        let mut bytes = Vec::new();
        tell.send((stream.read_to_end(&mut bytes), bytes)).unwrap();
    });
    let before = proxy.descriptors();
    for _ in 0..20 {
        let mut stream = connect(&address);
        stream.write_all(b"the last words").unwrap();
        reset(stream);
        let (outcome, bytes) = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_reset(outcome);
        assert_eq!(bytes, b"the last words");
    }
    eventually("no descriptor is left", || proxy.descriptors() == before);
}

/// The system may tell the direction that writes of the reset, and the one that reads of an end.
#[test]
fn a_reset_is_passed_on_while_much_is_under_way() {
    let (tell, told) = std::sync::mpsc::channel();
    let (_proxy, address) = start("", move |mut stream| {
        let chunk = [7; 50_000];
        let error = std::iter::repeat_with(|| stream.write_all(&chunk)).find_map(Result::err);
        tell.send(error.unwrap()).unwrap();
    });
    for round in 0..20 {
        let mut stream = connect(&address);
        stream.read_exact(&mut vec![0; 100_000 * round]).unwrap();
        reset(stream);
        let error = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_reset(Err(error));
    }
}

/// The other direction has ended before.
#[test]
fn a_reset_of_a_half_closed_connection_is_passed_on() {
    let (_proxy, address) = start("", move |stream| {
        assert_eq!(read_all(&stream), b"all");
        reset_now(stream);
    });
    for _ in 0..20 {
        let mut stream = connect(&address);
        stream.write_all(b"all").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_reset(stream.read(&mut [0]));
    }
}

#[test]
fn a_client_that_goes_away_is_told_to_the_target_and_leaves_nothing() {
    let (tell, told) = std::sync::mpsc::channel();
    let (proxy, address) = start("", move |mut stream| {
        // The end or an error: it makes no difference here.
        let _ = stream.read_to_end(&mut Vec::new());
        tell.send(()).unwrap();
    });
    let before = proxy.descriptors();
    for _ in 0..50 {
        let mut stream = connect(&address);
        stream.write_all(b"x").unwrap();
        drop(stream);
        told.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    eventually("no descriptor is left", || proxy.descriptors() == before);
}

#[test]
fn many_connections_do_not_mix() {
    let (_proxy, address) = start("", echo);
    let clients: Vec<_> = (0..100)
        .map(|n| {
            let address = address.clone();
            thread::spawn(move || {
                let mut stream = connect(&address);
                for round in 0..10 {
                    let sent = pattern(1 + n * 97 + round * 1_009, n);
                    stream.write_all(&sent).unwrap();
                    let mut back = vec![0; sent.len()];
                    stream.read_exact(&mut back).unwrap();
                    assert!(back == sent, "client {n}, round {round}");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
}

#[test]
fn a_target_that_is_not_there_is_told_each_time() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (proxy, address) = start_for("", &nobody);
    for _ in 0..3 {
        let error = connect(&address).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        proxy.stderr.wait_for(&format!("`{nobody}` cannot be reached: "));
    }
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let (_proxy, address) = start("--connections 1", echo);
    let mut first = connect(&address);
    first.write_all(b"x").unwrap();
    first.read_exact(&mut [0]).unwrap();
    let mut second = connect(&address);
    second.write_all(b"y").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(second.peek(&mut [0]).is_err(), "the second should wait");
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut back = [0];
    second.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"y");
}

#[test]
fn help_is_printed_and_bad_options_are_reported() {
    let help = run(Command::new(PROXY).arg("--help"));
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("Usage: proxy [OPTIONS] <ADDRESS> <TARGET>"), "{help:?}");
    for (arguments, status, complaint) in [
        ("", 2, "<TARGET>"),
        ("127.0.0.1:0", 2, "<TARGET>"),
        ("127.0.0.1:0 127.0.0.1:1 --connections 0", 2, "a whole number of at least 1 is needed"),
        ("nonsense 127.0.0.1:1", 1, "proxy: `nonsense` cannot be served: "),
    ] {
        let ended = run(Command::new(PROXY).args(arguments.split_whitespace()));
        assert_eq!(ended.status, Some(status), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "no `{complaint}` in {ended:?}");
        assert_eq!(ended.stdout, "");
    }
}
