//! The server `http`, as a client sees it that speaks by hand.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{Program, run};
use crate::web::Client;

const HTTP: &str = env!("CARGO_BIN_EXE_http");

/// Starts the server on a free port, and returns its address too.
pub(crate) fn start(options: &str) -> (Program, String) {
    let mut command = Command::new(HTTP);
    let server = Program::start(command.arg("127.0.0.1:0").args(options.split_whitespace()));
    let line = server.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on http://").unwrap().to_owned();
    (server, address)
}

/// Asks for `/sleep`, and returns when the server has the request.
fn sleeper(address: &str, millis: u32) -> Client {
    let mut client = Client::connect(address);
    client.send(format!(
        "GET /sleep?ms={millis} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\
         Expect: 100-continue\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 100);
    client.send("x");
    client
}

#[test]
fn many_requests_share_a_connection() {
    let (_server, address) = start("");
    let mut client = Client::connect(&address);
    for _ in 0..3 {
        client.ask("GET", "/").assert(200, "hello, world\n");
        client.ask("GET", "/?x=y").assert(200, "hello, world\n");
        let head = client.ask("HEAD", "/");
        assert_eq!((head.status, head.header("content-length")), (200, Some("13")));
        client.post("/echo", b"to and fro").assert(200, "to and fro");
        client.post("/echo", b"").assert(200, "");
        client.ask("GET", "/sleep?ms=1").assert(200, "slept\n");
        assert_eq!(client.ask("GET", "/sleep?ms=x").status, 400);
        assert_eq!(client.ask("GET", "/sleep?ms=60001").status, 400);
        assert_eq!(client.ask("GET", "/nowhere").status, 404);
        let refused = client.post("/", b"body");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
        assert_eq!(client.ask("BREW", "/").status, 501);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_server, address) = start("");
    let mut client = Client::connect(&address);
    let mut requests = String::new();
    for n in 0..500 {
        let body = format!("number {n}");
        requests += &format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        requests += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    }
    client.send(requests);
    for n in 0..500 {
        client.answer().assert(200, &format!("number {n}"));
        client.answer().assert(200, "hello, world\n");
    }
}

#[test]
fn a_request_may_arrive_a_byte_at_a_time() {
    let (_server, address) = start("");
    let mut client = Client::connect(&address);
    let with_length = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    let in_chunks = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                     2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    for request in [with_length, in_chunks] {
        request.as_bytes().iter().for_each(|byte| client.send([*byte]));
        client.answer().assert(200, "hello");
    }
}

#[test]
fn bodies_of_all_sizes_come_back() {
    let (_server, address) = start("");
    let mut client = Client::connect(&address);
    for size in [1, 8_191, 8_192, 8_193, 100_000, 1024 * 1024] {
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        assert!(client.post("/echo", &body).body == body, "{size} bytes");
        client.send("PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(3_000) {
            client.send(format!("{:x}\r\n", chunk.len()));
            client.send([chunk, b"\r\n"].concat());
        }
        client.send("0\r\nChecksum: x\r\n\r\n");
        assert!(client.answer().body == body, "{size} bytes in chunks");
    }
}

#[test]
fn who_expects_to_be_told_to_continue_is_told() {
    let (_server, address) = start("--body 1000");
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
    let mut client = Client::connect(&address);
    client.send(format!("{head}Content-Length: 5\r\n\r\n"));
    assert_eq!(client.answer().status, 100);
    client.send("hello");
    client.answer().assert(200, "hello");
    // Who does not wait is not told.
    client.send(format!("{head}Content-Length: 5\r\n\r\nhello"));
    client.answer().assert(200, "hello");
    // Nor is who is refused.
    client.send(format!("{head}Content-Length: 1001\r\n\r\n"));
    client.answer().assert_last(413);
    client.assert_ends();
}

#[test]
fn the_last_answer_says_so_and_old_clients_are_understood() {
    let (_server, address) = start("");
    let mut client = Client::connect(&address);
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.answer().assert_last(200);
    client.assert_ends();

    let mut client = Client::connect(&address);
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer().assert(200, "hello, world\n");
    assert_eq!(answer.header("connection"), Some("keep-alive"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.answer().assert_last(200);
    client.assert_ends();
}

#[test]
fn what_is_too_large_or_malformed_is_refused() {
    let (_server, address) = start("--head 500 --headers 4 --body 1000");
    let long = "x".repeat(600);
    let chunk = "x".repeat(600);
    for (status, request) in [
        (400, "nonsense\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (
            400,
            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n".to_owned(),
        ),
        (413, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n".to_owned()),
        (
            413,
            format!(
                "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                 258\r\n{chunk}\r\n258\r\n{chunk}\r\n0\r\n\r\n"
            ),
        ),
        (414, format!("GET /{long}")),
        (431, format!("GET / HTTP/1.1\r\nHost: x\r\nLong: {long}\r\n\r\n")),
        (431, "GET / HTTP/1.1\r\nHost: x\r\na: b\r\nc: d\r\ne: f\r\ng: h\r\n\r\n".to_owned()),
        (501, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned()),
    ] {
        let mut client = Client::connect(&address);
        // What is pipelined in front of it is answered all the same.
        client.send(format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n{request}"));
        client.answer().assert(200, "hello, world\n");
        client.answer().assert_last(status);
        client.assert_ends();
    }
}

#[test]
fn a_client_that_is_cut_off_while_it_still_sends_gets_the_answer() {
    let (_server, address) = start("--body 1000");
    let mut client = Client::connect(&address);
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    client.answer().assert_last(413);
    client.assert_ends();
}

#[test]
fn headers_at_a_byte_a_second_are_cut_off() {
    let (_server, address) = start("--head-time 2");
    let mut client = Client::connect(&address);
    let begin = Instant::now();
    let mut reader = Client::over(client.stream().try_clone().unwrap());
    let slow = thread::spawn(move || {
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" {
            // It fails once the server has gone.
            if client.stream().write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
        client.send("");
    });
    reader.answer().assert_last(408);
    assert!(begin.elapsed() >= Duration::from_secs(2), "it was cut off too early");
    // Others are not.
    Client::connect(&address).ask("GET", "/").assert(200, "hello, world\n");
    reader.assert_ends();
    slow.join().unwrap();
}

#[test]
fn a_body_that_takes_too_long_is_cut_off() {
    let (_server, address) = start("--body-time 0.2");
    for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut client = Client::connect(&address);
        client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n1"));
        client.answer().assert_last(408);
        client.assert_ends();
    }
}

#[test]
fn an_idle_connection_is_closed() {
    let (_server, address) = start("--idle-time 0.2");
    let mut client = Client::connect(&address);
    client.ask("GET", "/").assert(200, "hello, world\n");
    client.assert_ends();
    // Also one that has never asked for anything.
    Client::connect(&address).assert_ends();
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_holds_up_nobody() {
    let (server, address) = start("--write-time 0.5 --body 33554432 --verbose");
    let mut stuck = Client::connect(&address);
    let body = vec![b'x'; 32 << 20];
    stuck.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()));
    stuck.send(&body);
    let mut other = Client::connect(&address);
    for _ in 0..100 {
        other.ask("GET", "/").assert(200, "hello, world\n");
    }
    server.stderr.wait_for("the time given was over");
    // What the buffers of the system hold arrives, and no more.
    let mut received = 0;
    let mut piece = vec![0; 1 << 20];
    let end = loop {
        match stuck.stream().read(&mut piece) {
            Ok(0) => break None,
            Ok(count) => received += count,
            Err(error) => break Some(error.kind()),
        }
    };
    assert!(received < body.len(), "all of it has arrived");
    assert!(matches!(end, None | Some(ErrorKind::ConnectionReset)), "{end:?}");
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let (_server, address) = start("--connections 2");
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(&address)).collect();
    let mut third = clients.pop().unwrap();
    for client in &mut clients {
        client.ask("GET", "/").assert(200, "hello, world\n");
    }
    third.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    third.stream().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let early = third.stream().peek(&mut [0]).unwrap_err();
    assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
    third.stream().set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    drop(clients.pop());
    third.answer().assert(200, "hello, world\n");
}

#[test]
fn a_signal_stops_it_when_the_requests_under_way_are_answered() {
    for signal in ["TERM", "INT"] {
        let (server, address) = start("");
        let mut idle = Client::connect(&address);
        idle.ask("GET", "/").assert(200, "hello, world\n");
        let mut asleep = sleeper(&address, 1_000);
        server.signal(signal);
        idle.assert_ends();
        // As soon as that has ended, nobody is let in.
        let refused = TcpStream::connect(&address);
        assert!(refused.is_err(), "{refused:?}");
        let answer = asleep.answer().assert(200, "slept\n");
        answer.assert_last(200);
        asleep.assert_ends();
        let ended = server.end();
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        assert!(ended.stdout.contains("stopped after 2 connections"), "{ended:?}");
    }
}

#[test]
fn what_takes_longer_than_the_grace_is_cut_off() {
    let (server, address) = start("--grace 0.2");
    let asleep = sleeper(&address, 60_000);
    server.signal("TERM");
    asleep.assert_ends();
    let ended = server.end();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("1 connections took too long"), "{ended:?}");
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let (server, address) = start("");
    let asleep = sleeper(&address, 60_000);
    let idle = Client::connect(&address);
    server.signal("INT");
    // So the first one has been seen.
    idle.assert_ends();
    server.signal("INT");
    assert_eq!(server.end().status, Some(1));
    drop(asleep);
}

#[test]
fn broken_connections_are_reported_if_that_is_asked_for() {
    let (server, address) = start("--verbose");
    let mut client = Client::connect(&address);
    client.send("GET / HT");
    drop(client);
    server.stderr.wait_for("the request is cut off");
}

#[test]
fn help_is_printed() {
    for option in ["--help", "-h"] {
        let ended = run(Command::new(HTTP).arg(option));
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        for option in ["[ADDRESS]", "--head-time <SECONDS>", "--body <BYTES>", "--grace <SECONDS>"]
        {
            assert!(ended.stdout.contains(option), "no `{option}` in {ended:?}");
        }
    }
}

#[test]
fn bad_options_are_reported() {
    for (arguments, complaint) in [
        ("--turbo", "unexpected argument '--turbo'"),
        ("--head-time 0", "'--head-time <SECONDS>': a number of seconds is needed"),
        ("--head-time never", "'--head-time <SECONDS>': a number of seconds is needed"),
        ("--idle-time=-1", "'--idle-time <SECONDS>': a number of seconds is needed"),
        ("--connections 0", "'--connections <N>': a whole number of at least 1 is needed"),
        ("--body much", "'much' for '--body <BYTES>'"),
        ("127.0.0.1:0 127.0.0.1:0", "unexpected argument '127.0.0.1:0'"),
    ] {
        let ended = run(Command::new(HTTP).args(arguments.split_whitespace()));
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "no `{complaint}` in {ended:?}");
        assert_eq!(ended.stdout, "");
    }
    let ended = run(Command::new(HTTP).arg("nonsense"));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.starts_with("http: `nonsense` cannot be served: "), "{ended:?}");
}
