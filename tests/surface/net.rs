//! The part of mco's public surface that is the network. Nothing here is run.
#![allow(dead_code, unused_variables, unused_imports, missing_docs, clippy::all)]

use mco::io::{CoIo, WaitIo};
use mco::net::{TcpStream, UdpSocket};
use mco::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::io;

fn others(std_stream: std::net::TcpStream) -> io::Result<()> {
    let s: TcpStream = TcpStream::try_from(std_stream)?;
    let _: std::net::TcpStream = s.try_clone()?.try_into()?;
    let u = UdpSocket::bind("127.0.0.1:0")?;
    let _: (usize, std::net::SocketAddr) = u.recv_from(&mut [0; 8])?;
    let _: (UnixStream, UnixStream) = UnixStream::pair()?;
    let _: (UnixDatagram, UnixDatagram) = UnixDatagram::pair()?;
    let v = vec![1];
    let n: usize = mco::blocking(|| v.len());
    let _: mco::coroutine::JoinHandle<u32> = mco::std::blocking::spawn_blocking(|| 5);
    let _: u32 = mco::block_on(async { 5 });
    Ok(())
}

fn tls(
    server: std::sync::Arc<rustls::ServerConfig>,
    client: std::sync::Arc<rustls::ClientConfig>,
    name: mco::net::tls::ServerName<'static>,
    stream: TcpStream,
) -> io::Result<()> {
    use mco::net::tls::{TlsAcceptor, TlsConnector, TlsStream};
    use std::io::{Read, Write};
    let acceptor = TlsAcceptor::new(server);
    let accepted: TlsStream = acceptor.accept(stream.try_clone()?)?;
    let mut connected: TlsStream = TlsConnector::new(client).connect(name, stream)?;
    connected.write_all(b"x")?;
    (&connected).read(&mut [0; 8])?;
    let (mut reader, mut writer) = accepted.split();
    let _ = reader.read(&mut [0; 8])?;
    writer.write_all(b"x")
}
