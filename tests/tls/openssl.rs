//! Against the `openssl` command, as a client and as a server.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::JoinHandle;
use mco::net::TcpStream;
use mco::net::tls::{TlsAcceptor, TlsConnector, TlsStream};
use mco::runtime::Runtime;
use mco_tests::{HUNG, eventually, runtime, sockets, within};
use rustls::{Error, ProtocolVersion, SupportedProtocolVersion};

use crate::setup::{
    Authority, BOTH_VERSIONS, Identity, NAME, TRUSTED, acceptor, cause, client_config_of,
    demanding_server_config, name, server_config, server_identity,
};

/// A folder of files for the command, which goes away with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mco-openssl-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Options that name a certificate and its key.
    fn identity(&self, identity: &Identity) -> [String; 4] {
        let certificate = self.file("certificate.pem", &identity.certificate_pem);
        let key = self.file("key.pem", &identity.key_pem());
        ["-cert".to_owned(), certificate, "-key".to_owned(), key]
    }

    fn authority(&self, authority: &Authority) -> [String; 2] {
        ["-CAfile".to_owned(), self.file("authority.pem", &authority.pem())]
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process of `openssl`, which ends with this at the latest.
struct OpenSsl {
    process: Child,
    stdin: Option<ChildStdin>,
    /// What it prints.
    lines: mpsc::Receiver<String>,
    /// What it complains about.
    complaints: Arc<Mutex<String>>,
}

impl OpenSsl {
    fn start(command: &str, options: &[String]) -> OpenSsl {
        let mut process = Command::new("openssl")
            .arg(command)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`openssl` starts; `apt-get install openssl` installs it");
        let (sends, lines) = mpsc::channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                let _ = sends.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let (all, mut stderr) = (complaints.clone(), process.stderr.take().unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        OpenSsl { stdin: process.stdin.take(), process, lines, complaints }
    }

    fn client(addr: SocketAddr, folder: &Folder, options: &[&str]) -> OpenSsl {
        let mut all = vec!["-connect".to_owned(), addr.to_string()];
        all.extend(["-servername", NAME, "-verify_hostname", NAME].map(str::to_owned));
        all.push("-verify_return_error".to_owned());
        if !options.contains(&"-CAfile") {
            all.extend(folder.authority(&TRUSTED));
        }
        all.extend(options.iter().map(|&option| option.to_owned()));
        OpenSsl::start("s_client", &all)
    }

    /// One that sends back each line in reverse, to one client.
    fn server(folder: &Folder, options: &[String]) -> (OpenSsl, SocketAddr) {
        let mut all =
            ["-accept", "127.0.0.1:0", "-rev", "-naccept", "1"].map(str::to_owned).to_vec();
        all.extend(folder.identity(server_identity()));
        all.extend_from_slice(options);
        let server = OpenSsl::start("s_server", &all);
        let line = server.line_with("ACCEPT ");
        let addr = line.trim_start_matches("ACCEPT ").trim().parse();
        (server, addr.unwrap_or_else(|_| panic!("it listens on {line:?}")))
    }

    fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// The next line that contains `part`.
    #[track_caller]
    fn line_with(&self, part: &str) -> String {
        let end = Instant::now() + HUNG / 2;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(_) => panic!("openssl does not say {part:?}: {}", self.complaints()),
            }
        }
    }

    fn complaints(&self) -> String {
        self.complaints.lock().unwrap().clone()
    }

    /// Waits for its end.
    #[track_caller]
    fn success(&mut self) -> bool {
        let end = Instant::now() + HUNG / 2;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < end, "openssl does not end: {}", self.complaints());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn option_of(version: &SupportedProtocolVersion) -> &'static str {
    if version.version == ProtocolVersion::TLSv1_2 { "-tls1_2" } else { "-tls1_3" }
}

/// Accepts one connection, and has `serve` do the rest.
fn serve<T: Send + 'static>(
    runtime: &Runtime,
    acceptor: TlsAcceptor,
    serve: impl FnOnce(std::io::Result<TlsStream>) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let (listener, addr) = sockets::listener();
    let server = runtime.spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        serve(acceptor.accept(stream))
    });
    (addr, server)
}

/// Sends lines back until one says `bye`, and ends the connection.
fn echo(stream: std::io::Result<TlsStream>) -> TlsStream {
    let stream = stream.unwrap();
    for line in BufReader::new(&stream).lines() {
        let line = line.unwrap();
        if line == "bye" {
            break;
        }
        (&stream).write_all(format!("echo of {line}\n").as_bytes()).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    stream
}

#[test]
fn its_client_talks_to_our_server() {
    within(HUNG, || {
        for version in BOTH_VERSIONS {
            let (runtime, folder) = (runtime(2), Folder::new());
            let (addr, server) = serve(&runtime, acceptor(), echo);
            let options = ["-quiet", option_of(version)];
            let mut client = OpenSsl::client(addr, &folder, &options);
            for text in ["one", "two", &"long ".repeat(1000)] {
                client.say(text);
                assert_eq!(client.line_with("echo"), format!("echo of {text}"));
            }
            client.say("bye");
            // It has seen a close_notify and nothing else.
            assert!(client.success(), "{}", client.complaints());
            let stream = server.join().unwrap();
            assert_eq!(stream.protocol_version(), Some(version.version));
            assert_eq!(stream.server_name(), Some(NAME));
        }
    });
}

#[test]
fn our_client_talks_to_its_server() {
    within(HUNG, || {
        for version in BOTH_VERSIONS {
            let (runtime, folder) = (runtime(2), Folder::new());
            let (_server, addr) = OpenSsl::server(&folder, &[option_of(version).to_owned()]);
            runtime.run(|| {
                let config = Arc::new(client_config_of(&TRUSTED, &BOTH_VERSIONS, None));
                let stream = TcpStream::connect(addr).unwrap();
                let stream = TlsConnector::new(config).connect(name(), stream).unwrap();
                assert_eq!(stream.protocol_version(), Some(version.version));
                assert_eq!(stream.peer_certificates(), Some(&server_identity().chain()[..]));
                let mut lines = BufReader::new(&stream).lines();
                for round in 0..20 {
                    let text = format!("{round}{}", "x".repeat(round * 100));
                    (&stream).write_all(format!("{text}\n").as_bytes()).unwrap();
                    let reversed: String = text.chars().rev().collect();
                    assert_eq!(lines.next().unwrap().unwrap(), reversed);
                }
                stream.shutdown(Shutdown::Write).unwrap();
            });
        }
    });
}

#[test]
fn its_client_changes_the_keys() {
    within(HUNG, || {
        let (runtime, folder) = (runtime(2), Folder::new());
        let (addr, server) = serve(&runtime, acceptor(), echo);
        let mut client = OpenSsl::client(addr, &folder, &["-tls1_3"]);
        client.say("before");
        client.line_with("echo of before");
        for round in 0..5 {
            // `K`: new keys, and the other side shall have some too.
            client.say("K");
            // It reads the next line as text only when it is through with this one.
            eventually("it changes them", || {
                client.complaints().matches("KEYUPDATE").count() == round + 1
            });
            let text = format!("after {round}");
            client.say(&text);
            client.line_with(&format!("echo of {text}"));
        }
        client.say("bye");
        client.success();
        server.join().unwrap();
    });
}

#[test]
fn our_client_changes_the_keys() {
    within(HUNG, || {
        let (runtime, folder) = (runtime(2), Folder::new());
        let (_server, addr) = OpenSsl::server(&folder, &["-tls1_3".to_owned()]);
        runtime.run(|| {
            let config = Arc::new(client_config_of(&TRUSTED, &BOTH_VERSIONS, None));
            let stream = TcpStream::connect(addr).unwrap();
            let stream = TlsConnector::new(config).connect(name(), stream).unwrap();
            let mut lines = BufReader::new(&stream).lines();
            // It sleeps for a second after each, as often as a read gives it no data.
            for _ in 0..2 {
                stream.refresh_traffic_keys().unwrap();
                (&stream).write_all(b"abc\n").unwrap();
                assert_eq!(lines.next().unwrap().unwrap(), "cba");
            }
        });
    });
}

#[test]
fn its_client_shows_a_certificate() {
    within(HUNG, || {
        let (runtime, folder) = (runtime(2), Folder::new());
        let me = TRUSTED.certify("client.test", |_| ());
        let config = Arc::new(demanding_server_config(&BOTH_VERSIONS));
        let (addr, server) = serve(&runtime, TlsAcceptor::new(config), echo);
        let identity = folder.identity(&me);
        let mut options = vec!["-quiet"];
        options.extend(identity.iter().map(String::as_str));
        let mut client = OpenSsl::client(addr, &folder, &options);
        client.say("hello");
        client.line_with("echo of hello");
        client.say("bye");
        assert!(client.success(), "{}", client.complaints());
        let stream = server.join().unwrap();
        // It sends that of the authority, too.
        let shown = stream.peer_certificates().and_then(<[_]>::first);
        assert_eq!(shown, Some(&me.certificate));
    });
}

#[test]
fn its_server_asks_for_a_certificate() {
    within(HUNG, || {
        let me = TRUSTED.certify("client.test", |_| ());
        for identity in [Some(&me), None] {
            let (runtime, folder) = (runtime(2), Folder::new());
            let mut options =
                ["-Verify", "1", "-verify_return_error", "-tls1_3"].map(str::to_owned).to_vec();
            options.extend(folder.authority(&TRUSTED));
            let (_server, addr) = OpenSsl::server(&folder, &options);
            runtime.run(|| {
                let config = Arc::new(client_config_of(&TRUSTED, &BOTH_VERSIONS, identity));
                let stream = TcpStream::connect(addr).unwrap();
                let mut stream = TlsConnector::new(config).connect(name(), stream).unwrap();
                if identity.is_some() {
                    stream.write_all(b"abc\n").unwrap();
                    let mut answer = [0; 4];
                    stream.read_exact(&mut answer).unwrap();
                    assert_eq!(&answer, b"cba\n");
                } else {
                    let error = stream.read(&mut [0]).unwrap_err();
                    assert!(matches!(cause(&error), Error::AlertReceived(_)), "{error}");
                }
            });
        }
    });
}

#[test]
fn its_client_agrees_on_a_protocol() {
    within(HUNG, || {
        let (runtime, folder) = (runtime(2), Folder::new());
        let mut config = server_config();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (addr, server) = serve(&runtime, TlsAcceptor::new(Arc::new(config)), echo);
        let mut client = OpenSsl::client(addr, &folder, &["-alpn", "http/1.1,h2"]);
        client.line_with("ALPN protocol: h2");
        client.say("bye");
        client.success();
        assert_eq!(server.join().unwrap().alpn_protocol(), Some(&b"h2"[..]));
    });
}

#[test]
fn its_client_refuses_a_server_that_nobody_vouches_for() {
    within(HUNG, || {
        let (runtime, folder) = (runtime(2), Folder::new());
        let (addr, server) =
            serve(&runtime, acceptor(), |stream| stream.map(drop).expect_err("it trusts us"));
        let other = folder.file("other.pem", &Authority::new().pem());
        let mut client = OpenSsl::client(addr, &folder, &["-quiet", "-CAfile", &other]);
        assert!(!client.success());
        let error = server.join().unwrap();
        assert!(matches!(cause(&error), Error::AlertReceived(_)), "{error}");
    });
}

#[test]
fn its_client_is_killed() {
    within(HUNG, || {
        let (runtime, folder) = (runtime(2), Folder::new());
        let (addr, server) = serve(&runtime, acceptor(), |stream| {
            let mut stream = stream.unwrap();
            stream.write_all(b"here\n").unwrap();
            stream.read(&mut [0]).unwrap_err().kind()
        });
        let client = OpenSsl::client(addr, &folder, &["-quiet"]);
        client.line_with("here");
        drop(client);
        let kind = server.join().unwrap();
        let right = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
        assert!(right.contains(&kind), "{kind}");
    });
}
