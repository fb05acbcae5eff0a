//! The server `https`: what TLS adds to `http`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::program::{Program, has, run};
use crate::web::Client;

const HTTPS: &str = env!("CARGO_BIN_EXE_https");

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Starts the server on a free port with a certificate that it makes and writes to a file of this
/// name; returns its address and that file.
fn start(name: &str, options: &str) -> (Program, String, PathBuf) {
    let cert = path(&format!("{name}.pem"));
    let mut command = Command::new(HTTPS);
    command.arg("127.0.0.1:0").arg("--write-cert").arg(&cert);
    let server = Program::start(command.args(options.split_whitespace()));
    let line = server.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on https://").unwrap().to_owned();
    (server, address, cert)
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(address: &str, trusted: &Path) -> Client<Tls> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    Client::over(StreamOwned::new(connection, stream))
}

#[test]
fn the_same_is_spoken_as_without_tls() {
    let (_server, address, cert) = start("https-same", "");
    let mut client = connect(&address, &cert);
    for _ in 0..3 {
        client.ask("GET", "/").assert(200, "hello, world\n");
        assert_eq!(client.ask("HEAD", "/").header("content-length"), Some("13"));
        let body: Vec<u8> = (0..200_000).map(|at| (at % 251) as u8).collect();
        assert!(client.post("/echo", &body).body == body);
    }
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100));
    (0..100).for_each(|_| drop(client.answer().assert(200, "hello, world\n")));
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.answer().assert_last(400);
    // An end that TLS vouches for: without it, this would be an error.
    client.assert_ends();
}

#[test]
fn limits_and_the_stop_hold_here_too() {
    let (server, address, cert) = start("https-limits", "--head-time 0.3 --idle-time 0.3");
    let mut slow = connect(&address, &cert);
    slow.send("GET / HT");
    slow.answer().assert_last(408);
    slow.assert_ends();
    // Also who does not even shake hands.
    let mut mute = TcpStream::connect(&address).unwrap();
    mute.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    mute.read_to_end(&mut Vec::new()).unwrap();
    let mut asleep = connect(&address, &cert);
    asleep.send("GET /sleep?ms=500 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(asleep.answer().status, 100);
    asleep.send("x");
    server.signal("TERM");
    asleep.answer().assert(200, "slept\n").assert_last(200);
    asleep.assert_ends();
    let ended = server.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
}

#[test]
fn who_speaks_no_tls_is_told_in_the_log() {
    let (server, address, cert) = start("https-plain", "--verbose");
    let mut plain = TcpStream::connect(&address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    server.stderr.wait_for(&plain.local_addr().unwrap().to_string());
    connect(&address, &cert).ask("GET", "/").assert(200, "hello, world\n");
}

#[test]
fn curl_trusts_the_certificate_and_wrk_sees_no_error() {
    let (_server, address, cert) = start("https-tools", "");
    let port = address.split_once(':').unwrap().1;
    if has("curl") {
        let url = format!("https://localhost:{port}/");
        let mut curl = Command::new("curl");
        curl.args(["-sSv", "--max-time", "60", "--cacert"]).arg(&cert).args([&url, &url]);
        let ended = run(&mut curl);
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (Some(0), "hello, world\nhello, world\n")
        );
        assert!(ended.stderr.contains("Re-using existing connection"), "{ended:?}");
        assert!(ended.stderr.contains("server accepted http/1.1"), "{ended:?}");
    }
    if has("wrk") {
        let url = format!("https://{address}/");
        let arguments = ["-t1", "-c32", "-d1s", "--timeout", "60s", &url];
        let ended = run(Command::new("wrk").args(arguments));
        assert_eq!(ended.status, Some(0), "{ended:?}");
        for fault in ["Socket errors", "Non-2xx"] {
            assert!(!ended.stdout.contains(fault), "{ended:?}");
        }
    }
}

#[test]
fn certificates_of_ones_own_are_used() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (path("https-own-cert.pem"), path("https-own-key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut command = Command::new(HTTPS);
    command.arg("127.0.0.1:0").arg("--cert").arg(&cert).arg("--key").arg(&key);
    let server = Program::start(&mut command);
    let line = server.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on https://").unwrap();
    connect(address, &cert).ask("GET", "/").assert(200, "hello, world\n");
}

#[test]
fn help_is_printed_and_bad_options_are_reported() {
    let help = run(Command::new(HTTPS).arg("--help"));
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("--cert <FILE>"), "{help:?}");
    let empty = path("https-empty.pem");
    fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    for (arguments, status, complaint) in [
        ("--cert x.pem", 2, "--key <FILE>"),
        ("--cert x.pem --key y.pem --write-cert z.pem", 2, "cannot be used with"),
        ("--cert /nowhere/x.pem --key y.pem", 1, "https: `/nowhere/x.pem` holds no certificates: "),
        (&format!("--cert {empty} --key y.pem"), 1, "holds no certificates: none is in it"),
        ("--write-cert /nowhere/x.pem", 1, "https: `/nowhere/x.pem` cannot be written: "),
        ("nonsense", 1, "https: `nonsense` cannot be served: "),
    ] {
        let ended = run(Command::new(HTTPS).args(arguments.split_whitespace()));
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(status), ""), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "no `{complaint}` in {ended:?}");
    }
}
