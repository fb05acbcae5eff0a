use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ask::Asking;
use crate::program::{Lines, Program, run};
use crate::tool::{curl, h2load, tool, wrk};

const HTTP_HYPER: &str = env!("CARGO_BIN_EXE_http_hyper");

/// Starts the server on a free port, with a limit of so many seconds for a request's head.
fn start(limit: u32) -> (Program, String) {
    let server = Program::start(Command::new(HTTP_HYPER).args(["127.0.0.1:0", &limit.to_string()]));
    let line = server.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on ").unwrap().to_owned();
    (server, address)
}

#[test]
fn one_connection_serves_many_requests() {
    let (server, address) = start(60);
    let mut client = Asking::connect(&address);
    for _ in 0..3 {
        assert_eq!(client.get("/"), (200, "hello over HTTP/1.1\n".to_owned()));
        assert_eq!(client.get("/elsewhere").0, 404);
        assert_eq!(client.get("/echo").0, 405);
        assert_eq!(client.get("/wait/1"), (200, "waited for 1 ms\n".to_owned()));
        assert_eq!(client.get("/wait/long").0, 400);
    }
    // Pipelined.
    (0..10).for_each(|_| client.send_get("/"));
    (0..10).for_each(|_| assert_eq!(client.receive().0, 200));
    #[cfg(target_os = "linux")]
    crate::tool::assert_runs_on_mco_alone(server.id());
    drop(server);
}

#[test]
fn a_long_body_comes_back() {
    let (_server, address) = start(60);
    let mut client = Asking::connect(&address);
    let body: Vec<_> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    client
        .send(format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len()));
    // It comes back while it is sent.
    let mut sends = client.stream().try_clone().unwrap();
    let sent = body.clone();
    let sender = thread::spawn(move || sends.write_all(&sent).unwrap());
    let (status, back) = client.receive();
    sender.join().unwrap();
    assert_eq!(status, 200);
    assert!(back == body, "what came back differs");
}

#[test]
fn curl_speaks_http_1_and_http_2() {
    let (_server, address) = start(60);
    let url = format!("http://{address}/");
    for (version, option) in [("HTTP/1.1", "--http1.1"), ("HTTP/2.0", "--http2-prior-knowledge")] {
        let Some(text) = curl(&[option, &url]) else { return };
        assert_eq!(text, format!("hello over {version}\n"));
        let echo = format!("http://{address}/echo");
        assert_eq!(curl(&[option, "--data", "to and fro", &echo]).unwrap(), "to and fro\n");
    }
    // One connection for both. With HTTP/2 h2load sees to it: curl 7.88 fails at that with any server.
    let text = curl(&["--http1.1", &url, &url, "--write-out", "%{num_connects} "]).unwrap();
    assert_eq!(text, "hello over HTTP/1.1\n1 hello over HTTP/1.1\n0 \n");
}

#[test]
fn wrk_and_h2load_find_no_error() {
    let (mut server, address) = start(60);
    wrk(&format!("http://{address}/"));
    h2load(20_000, &["-c", "8", "-m", "32", &format!("http://{address}/")]);
    h2load(1_000, &["-c", "1", "-m", "1", &format!("http://{address}/")]);
    // HTTP/1, too.
    h2load(5_000, &["--h1", "-c", "8", &format!("http://{address}/")]);
    assert!(server.is_running());
    server.signal("TERM");
    let ended = server.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    // That is how wrk ends.
    let is_known = |line: &str| line.ends_with("connection closed before message completed");
    assert!(ended.stderr.lines().all(is_known), "{ended:?}");
}

/// Each request of an HTTP/2 connection waits in a coroutine of its own.
#[test]
fn requests_of_one_connection_wait_at_once() {
    let (_server, address) = start(60);
    let start = Instant::now();
    let url = format!("http://{address}/wait/1000");
    if h2load(100, &["-c", "1", "-m", "100", &url]).is_some() {
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_secs(50), "one after the other? it took {elapsed:?}");
    }
}

/// Sends a head without an end, a byte each 100 ms, until the server closes the connection. Returns what
/// it said.
fn trickle(address: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sends = thread::spawn(move || {
        let head = "GET / HTTP/1.1\r\n".bytes().chain("x-header: y\r\n".bytes().cycle());
        for byte in head {
            if writer.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    let mut answer = Vec::new();
    // It may be reset, since there is more to be read.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    sends.join().unwrap();
    answer
}

#[test]
fn slow_clients_are_cut_off() {
    let (server, address) = start(1);
    let mut prompt = Asking::connect(&address);
    assert_eq!(prompt.get("/").0, 200);
    let answer = String::from_utf8(trickle(&address)).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer:?}");
    // One that says nothing.
    assert!(Asking::connect(&address).is_closed());
    // One that begins as HTTP/2 does, and does not go on.
    let mut undecided = Asking::connect(&address);
    undecided.send("PRI * HTTP");
    assert!(undecided.is_closed());
    server.stderr.wait_for("no request within 1s");
    assert_eq!(Asking::connect(&address).get("/").0, 200);
}

#[test]
fn a_signal_lets_requests_end() {
    for signal in ["TERM", "INT"] {
        let (server, address) = start(60);
        let mut idle = Asking::connect(&address);
        assert_eq!(idle.get("/").0, 200);
        let silent = Asking::connect(&address);
        // Both are in the middle of their bodies.
        let mut busy = TcpStream::connect(&address).unwrap();
        busy.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nto ").unwrap();
        let mut head = [0; 15];
        busy.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        let busy_too = Upload::start(&address);

        server.signal(signal);
        server.stdout.wait_for("stopping");
        assert!(idle.is_closed());
        busy.write_all(b"and fr").unwrap();
        let mut rest = String::new();
        busy.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("\r\n\r\nto and fr"), "{rest:?}");
        if let Some(upload) = busy_too {
            assert_eq!(upload.finish("and forth"), "and forth");
        }
        let ended = server.end();
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), "stopped\n"), "{ended:?}");
        assert!(TcpStream::connect(&address).is_err(), "nobody listens any more");
        drop(silent);
    }
}

/// A request over HTTP/2 whose body is still to come, and whose answer has begun.
struct Upload {
    curl: Child,
    /// What it reports, which must be read on.
    _stderr: Lines,
}

impl Upload {
    /// `None`: curl is not installed.
    fn start(address: &str) -> Option<Upload> {
        let mut curl = tool("curl", "curl")?;
        curl.args(["--verbose", "--no-buffer", "--http2-prior-knowledge", "--request", "POST"]);
        // The standard input, but without waiting for it.
        curl.args(["--upload-file", "."]).arg(format!("http://{address}/echo"));
        let curl = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut curl = curl.spawn().unwrap();
        let lines = Lines::of(curl.stderr.take().unwrap());
        lines.wait_for("< HTTP/2 200");
        Some(Upload { curl, _stderr: lines })
    }

    /// Sends the body, and returns what comes back.
    fn finish(mut self, body: &str) -> String {
        let mut stdin = self.curl.stdin.take().unwrap();
        stdin.write_all(body.as_bytes()).unwrap();
        drop(stdin);
        let ended = self.curl.wait_with_output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    }
}

#[test]
fn what_cannot_be_served_is_reported() {
    for (arguments, complaint) in [
        (&["nonsense"][..], "`nonsense` cannot be served"),
        (&["127.0.0.1:0", "0"], "`0` is no limit"),
        (&["127.0.0.1:0", "soon"], "`soon` is no limit"),
    ] {
        let ended = run(Command::new(HTTP_HYPER).args(arguments));
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}
