//! The echo server: one coroutine accepts, and each connection has one of its own.

use std::io::{self, Read, Write};
use std::time::Duration;

use mco::net::{TcpListener, TcpStream};
use mco::{coroutine, go};

/// Accepts connections until it is cancelled.
pub(crate) fn serve(listener: TcpListener) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => drop(go!(echo(stream))),
            Err(error) => {
                eprintln!("echo_swarm: the server: {error}");
                coroutine::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// Sends everything back until the client has no more. If it fails, the client notices.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    // Else the end of a message may wait until the client acknowledges its beginning.
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}
