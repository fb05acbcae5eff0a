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
