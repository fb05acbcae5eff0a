//! A TCP server that sends back what it is sent.
//!
//! It shows `#[mco::main]`, `go!`, and a coroutine per connection: [`serve`] reads and writes as if it
//! had a thread to itself, and ten thousand of them share two threads.
//!
//! Run it, here on the default address, and talk to it from another terminal:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin echo 127.0.0.1:8000
//! listening on 127.0.0.1:8000
//!
//! $ nc 127.0.0.1 8000
//! hello
//! hello
//! ```

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use mco::net::{TcpListener, TcpStream};
use mco::{coroutine, go};

#[mco::main]
fn main() -> ExitCode {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8000");
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("echo: `{address}` cannot be served: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {}", listener.local_addr().expect("it listens"));

    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                go!(serve(stream, peer));
            }
            // Out of descriptors, most likely. Others may close theirs, so go on.
            Err(error) => {
                eprintln!("echo: {error}");
                coroutine::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// The life of a connection.
fn serve(stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = echo(stream) {
        eprintln!("echo: {peer}: {error}");
    }
}

/// Sends everything back until the client has no more.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    // Else the end of what is sent may wait until the client acknowledges its beginning.
    stream.set_nodelay(true)?;
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}
