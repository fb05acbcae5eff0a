//! A TCP server that sends back what it is sent.
//!
//! It shows a coroutine per connection: [`echo`] reads and writes as if it had a thread to itself,
//! and ten thousand of them share two threads.
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
use std::process::ExitCode;
use std::time::Duration;

use mco::coroutine;
use mco::net::TcpListener;

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
                coroutine::spawn(move || {
                    if let Err(error) = echo(stream) {
                        eprintln!("echo: {peer}: {error}");
                    }
                });
            }
            // Out of descriptors, most likely. Others may close theirs, so go on.
            Err(error) => {
                eprintln!("echo: {error}");
                coroutine::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// Sends everything back until the client has no more.
fn echo(mut stream: impl Read + Write) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}
