use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Bytes, Error, HandshakeError, Message, WebSocket, client};

use crate::program::{Program, has, run};

const WEBSOCKET: &str = env!("CARGO_BIN_EXE_websocket");

type Socket = WebSocket<TcpStream>;

fn start(options: &str) -> (Program, String) {
    let mut command = Command::new(WEBSOCKET);
    let server = Program::start(command.arg("127.0.0.1:0").args(options.split_whitespace()));
    let line = server.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on ws://").unwrap().to_owned();
    (server, address)
}

fn stream(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn connect(address: &str, path: &str) -> Socket {
    client(format!("ws://{address}{path}"), stream(address)).unwrap().0
}

/// Reads until there is a message of the user's.
fn message(socket: &mut Socket) -> Message {
    loop {
        let message = socket.read().unwrap();
        if message.is_text() || message.is_binary() {
            return message;
        }
    }
}

/// A client that the server has met: it is in the room.
fn member(address: &str) -> Socket {
    let mut socket = connect(address, "/broadcast");
    // The pong comes from the coroutine that has entered the room.
    socket.send(Message::Ping(Bytes::from_static(b"there?"))).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(Bytes::from_static(b"there?")));
    socket
}

#[test]
fn messages_of_all_kinds_and_sizes_come_back() {
    let (_server, address) = start("");
    let mut socket = connect(&address, "/echo");
    for size in [0, 1, 125, 126, 65_535, 65_536, 1024 * 1024] {
        let text: String = ('a'..='z').cycle().take(size).collect();
        for sent in [Message::text(&text), Message::binary(text.clone().into_bytes())] {
            socket.send(sent.clone()).unwrap();
            assert!(message(&mut socket) == sent, "{size} bytes");
        }
    }
    socket.close(None).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
}

#[test]
fn a_message_may_arrive_a_byte_at_a_time() {
    let (_server, address) = start("");
    let mut socket = connect(&address, "/echo");
    // "Hello" with a mask of zeros, in two frames.
    let frames =
        [&[0x01, 0x83, 0, 0, 0, 0], &b"Hel"[..], &[0x80, 0x82, 0, 0, 0, 0], b"lo"].concat();
    frames.iter().for_each(|byte| socket.get_mut().write_all(&[*byte]).unwrap());
    assert_eq!(message(&mut socket), Message::text("Hello"));
}

#[test]
fn a_broadcast_reaches_all_in_the_same_order() {
    let (_server, address) = start("");
    let mut members: Vec<_> = (0..20).map(|_| member(&address)).collect();
    let mut other = connect(&address, "/echo");
    for (number, socket) in members.iter_mut().enumerate() {
        for round in 0..10 {
            socket.send(Message::text(format!("{round} of {number}"))).unwrap();
        }
    }
    let heard: Vec<Vec<_>> = members
        .iter_mut()
        .map(|socket| (0..200).map(|_| message(socket).to_string()).collect())
        .collect();
    for number in 0..20 {
        let own = heard[0].iter().filter(|text| text.ends_with(&format!(" of {number}")));
        let rounds: Vec<_> = own.map(|text| text.split(' ').next().unwrap()).collect();
        assert_eq!(rounds, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    }
    assert!(heard.iter().all(|one| *one == heard[0]), "the order differs");
    // The other room has heard nothing of it.
    other.send(Message::text("mine")).unwrap();
    assert_eq!(message(&mut other), Message::text("mine"));
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let (_server, address) = start("--outbox 4000000");
    let mut stuck = member(&address);
    let mut sender = member(&address);
    let large = Message::binary(vec![7; 500_000]);
    // The stuck one's sockets hold some of it.
    for _ in 0..60 {
        sender.send(large.clone()).unwrap();
        assert!(message(&mut sender) == large);
    }
    let mut heard = 0;
    let end = loop {
        match stuck.read() {
            Ok(message) => heard += usize::from(message.is_binary()),
            Err(error) => break error,
        }
    };
    assert!(heard < 60, "it was not dropped");
    drop(end);
}

/// Is told to go, and goes.
fn end(mut socket: Socket) -> CloseCode {
    match socket.read().unwrap() {
        Message::Close(Some(frame)) => {
            assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
            frame.code
        }
        other => panic!("it should be told to go: {other:?}"),
    }
}

/// In one frame, in several that are allowed each, and much more than sockets hold.
#[test]
fn too_large_a_message_is_refused_with_1009() {
    let (server, address) = start("--message 1000");
    let mut socket = connect(&address, "/echo");
    for size in [999, 1000] {
        socket.send(Message::binary(vec![1; size])).unwrap();
        assert_eq!(message(&mut socket).len(), size);
    }
    socket.send(Message::binary(vec![1; 1001])).unwrap();
    assert_eq!(end(socket), CloseCode::Size);
    server.stderr.wait_for("Message too long: 1001 > 1000");

    let mut socket = connect(&address, "/echo");
    let part = |code, is_last| Frame::message(vec![1; 501], OpCode::Data(code), is_last);
    socket.send(Message::Frame(part(Data::Binary, false))).unwrap();
    socket.send(Message::Frame(part(Data::Continue, true))).unwrap();
    assert_eq!(end(socket), CloseCode::Size);
    server.stderr.wait_for("Message too long: 1002 > 1000");

    let mut socket = connect(&address, "/broadcast");
    socket.send(Message::binary(vec![1; 50_000_000])).unwrap();
    assert_eq!(end(socket), CloseCode::Size);
    server.stderr.wait_for("Message too long: 50000000 > 1000");
}

#[test]
fn what_breaks_the_protocol_is_told_and_ends_one_connection() {
    let (server, address) = start("");
    let mut unmasked = connect(&address, "/echo");
    unmasked.get_mut().write_all(&[0x81, 0x01, b'x']).unwrap();
    assert_eq!(end(unmasked), CloseCode::Protocol);
    server.stderr.wait_for("masked");
    let mut no_text = connect(&address, "/echo");
    let frame = Frame::message(vec![0xff], OpCode::Data(Data::Text), true);
    no_text.send(Message::Frame(frame)).unwrap();
    assert_eq!(end(no_text), CloseCode::Invalid);
    server.stderr.wait_for("UTF-8");
    let mut sound = connect(&address, "/echo");
    sound.send(Message::text("hello")).unwrap();
    assert_eq!(message(&mut sound), Message::text("hello"));
}

/// By bytes, however large the messages are that it does not take.
#[cfg(target_os = "linux")]
#[test]
fn what_waits_for_a_client_is_bounded() {
    for size in [100, 1_000_000] {
        let (server, address) = start("--message 1000000 --outbox 2000000");
        let mut socket = connect(&address, "/echo");
        // Until the server reads no more, since it cannot write.
        socket.get_mut().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut sent = 0;
        while socket.send(Message::binary(vec![7; size])).is_ok() {
            sent += size;
            assert!(sent < 1_000_000_000, "it is always read");
        }
        let peak = server.peak_memory();
        assert!(peak < 40_000_000, "{peak} bytes after {sent}");
    }
}

#[test]
fn another_path_is_refused() {
    let (_server, address) = start("");
    let refused = client(format!("ws://{address}/nowhere"), stream(&address));
    let Err(HandshakeError::Failure(Error::Http(response))) = refused else {
        panic!("it should be refused");
    };
    assert_eq!(response.status(), 404);
}

#[test]
fn a_silent_client_is_pinged_and_then_dropped() {
    let (_server, address) = start("--idle-time 0.6");
    // One that answers pings stays, however long it says nothing else.
    let answers = thread::spawn({
        let mut socket = connect(&address, "/echo");
        move || {
            let pings = (0..6).map(|_| socket.read().unwrap()).filter(Message::is_ping).count();
            socket.send(Message::text("still here")).unwrap();
            (pings, message(&mut socket))
        }
    });
    let mut silent = connect(&address, "/echo");
    let mut rest = Vec::new();
    // At its end, by whatever way.
    let _ = silent.get_mut().read_to_end(&mut rest);
    assert!(rest.starts_with(&[0x89, 0]), "it was not pinged: {rest:?}");
    assert_eq!(answers.join().unwrap(), (6, Message::text("still here")));
}

#[test]
fn a_signal_stops_it_and_clients_are_told() {
    let (server, address) = start("");
    let mut members: Vec<_> = (0..5).map(|_| member(&address)).collect();
    server.signal("TERM");
    for socket in &mut members {
        let Ok(Message::Close(Some(frame))) = socket.read() else { panic!("it should be told") };
        assert_eq!(frame.code, CloseCode::Away);
        assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    }
    let ended = server.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
}

#[test]
fn curl_is_upgraded() {
    if !has("curl") {
        return;
    }
    // It prints the answer when something follows it: here, a ping.
    let (_server, address) = start("--idle-time 0.6");
    let headers = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--http1.1", "-i", "-N", "--max-time", "60"]);
    for header in headers {
        curl.args(["-H", header]);
    }
    let curl = Program::start(curl.arg(format!("http://{address}/echo")));
    curl.stdout.wait_for("101 Switching Protocols");
    // Computed from the key, with the example of the standard.
    curl.stdout.wait_for("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn help_is_printed_and_bad_options_are_reported() {
    let help = run(Command::new(WEBSOCKET).arg("--help"));
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("Usage: websocket [OPTIONS] [ADDRESS]"), "{help:?}");
    for (arguments, status, complaint) in [
        ("--outbox 0", 2, "a whole number of at least 1 is needed"),
        ("--idle-time 0", 2, "a number of seconds is needed"),
        ("nonsense", 1, "websocket: `nonsense` cannot be served: "),
    ] {
        let ended = run(Command::new(WEBSOCKET).args(arguments.split_whitespace()));
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(status), ""), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "no `{complaint}` in {ended:?}");
    }
}
