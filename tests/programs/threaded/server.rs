// A program that was written for threads: a server with a thread for each connection, and its clients.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::iter::{Once, once};
use std::net::{
    IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, RwLock, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

type Store = Arc<RwLock<HashMap<String, String>>>;

fn serve(listener: TcpListener, store: Store) -> io::Result<usize> {
    let mut connections = Vec::new();
    for stream in listener.incoming() {
        let stream = stream?;
        let store = store.clone();
        let connection = thread::spawn(move || talk(stream, &store));
        match connections.len() {
            // The last client comes alone, and says when all is over.
            8 => {
                connection.join().unwrap()?;
                break;
            }
            _ => connections.push(connection),
        }
    }
    let mut served = 1;
    for connection in connections {
        connection.join().unwrap()?;
        served += 1;
    }
    Ok(served)
}

fn talk(stream: TcpStream, store: &Store) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let mut words = line.splitn(3, ' ');
        let answer = match (words.next(), words.next(), words.next()) {
            (Some("get"), Some(key), None) => store.read().unwrap().get(key).cloned(),
            (Some("set"), Some(key), Some(value)) => {
                let mut map = store.write().unwrap();
                map.insert(key.to_owned(), value.to_owned());
                let map = RwLockWriteGuard::downgrade(map);
                map.get(key).cloned()
            }
            _ => Some("what?".to_owned()),
        };
        writeln!(answers, "{}", answer.as_deref().unwrap_or("nothing"))?;
    }
    Ok(())
}

fn ask(stream: &TcpStream, lines: &[&str]) -> io::Result<Vec<String>> {
    let mut writes = stream;
    for line in lines {
        writeln!(writes, "{line}")?;
    }
    let answers = BufReader::new(stream).lines().take(lines.len());
    answers.collect()
}

fn tcp() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr: SocketAddr = listener.local_addr()?;
    println!("{} {}", addr.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST), addr.port() > 0);
    let store = Store::default();
    let server = {
        let store = store.clone();
        thread::spawn(move || serve(listener, store))
    };
    let clients: Vec<_> = (0..8)
        .map(|n| {
            thread::spawn(move || -> io::Result<Vec<String>> {
                let stream = TcpStream::connect(addr)?;
                stream.set_nodelay(true)?;
                let set = format!("set key{n} the value {n}");
                let get = format!("get key{n}");
                let answers = ask(&stream, &[&set, &get, "get lost", "bad"]);
                stream.shutdown(Shutdown::Both)?;
                answers
            })
        })
        .collect();
    for client in clients {
        println!("{:?}", client.join().unwrap()?);
    }
    let last = TcpStream::connect_timeout(&addr, Duration::from_secs(60))?;
    println!("{:?}", ask(&last, &["get key3"])?);
    drop(last);
    println!("{} connections", server.join().unwrap()?);
    let mut keys: Vec<_> = store.read().unwrap().keys().cloned().collect();
    keys.sort();
    println!("{keys:?}");
    Ok(())
}

/// A name of its own for an address.
struct Home(SocketAddr);

impl ToSocketAddrs for Home {
    type Iter = Once<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(once(self.0))
    }
}

fn connects<A: ToSocketAddrs>(address: A) -> bool {
    TcpStream::connect(address).is_ok()
}

fn addresses() -> io::Result<()> {
    let listener = TcpListener::bind("localhost:0")?;
    let addr = listener.local_addr()?;
    let (text, all, here) = (addr.to_string(), [addr], &addr);
    println!("{} {} {}", connects(addr), connects(here), connects(&all[..]));
    println!("{} {} {}", connects(&text), connects(text.as_str()), connects(text.clone()));
    println!("{} {}", connects((addr.ip(), addr.port())), connects(("localhost", addr.port())));
    println!("{}", connects(Home(addr)));
    println!("{:?}", TcpStream::connect("no port").unwrap_err().kind());
    println!("{}", "localhost:80".to_socket_addrs()?.all(|addr| addr.ip().is_loopback()));
    Ok(())
}

fn timeouts() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    let limit = Duration::from_millis(100);
    stream.set_read_timeout(Some(limit))?;
    let begin = Instant::now();
    let error = stream.read(&mut [0; 8]).unwrap_err();
    println!("{}", matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock));
    println!("{} {:?}", begin.elapsed() >= limit, stream.read_timeout()?);
    let refused = "127.0.0.1:1".to_socket_addrs()?.next().unwrap();
    println!("{:?}", TcpStream::connect(refused).unwrap_err().kind());
    println!("{:?}", TcpListener::bind("198.51.100.1:1").unwrap_err().kind());
    Ok(())
}

fn other_sockets() -> io::Result<()> {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    one.send_to(b"a datagram", other.local_addr()?)?;
    let mut buffer = [0; 32];
    let (length, from) = other.recv_from(&mut buffer)?;
    println!("{:?} {}", &buffer[..length], from == one.local_addr()?);

    let (near, mut far) = UnixStream::pair()?;
    let writes = thread::spawn(move || {
        let mut near = near;
        near.write_all(b"through a socket")
    });
    let mut text = String::new();
    far.read_to_string(&mut text)?;
    writes.join().unwrap()?;
    println!("{text}");

    let (near, far) = UnixStream::pair()?;
    let number = near.as_raw_fd();
    let near = UnixStream::from(OwnedFd::from(near));
    println!("{}", near.as_raw_fd() == number);
    (&near).write_all(b"x")?;
    println!("{}", (&far).read(&mut [0; 4])?);
    Ok(())
}

fn panics() -> io::Result<()> {
    fn unwinds<T: UnwindSafe + RefUnwindSafe>(_: &T) -> bool {
        true
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    println!("{}", unwinds(&listener) && unwinds(&stream));
    let connection = thread::spawn(move || {
        let _stream = stream;
        panic!("a connection has failed");
    });
    let payload = connection.join().unwrap_err();
    println!("{:?}", payload.downcast_ref::<&str>());
    let (mut stream, _) = listener.accept()?;
    println!("{}", stream.read(&mut [0; 8])?);
    let caught = panic::catch_unwind(AssertUnwindSafe(|| stream.local_addr().unwrap().port()));
    println!("{}", caught.is_ok());
    Ok(())
}

pub(crate) fn main() -> io::Result<()> {
    tcp()?;
    addresses()?;
    timeouts()?;
    other_sockets()?;
    panics()
}
