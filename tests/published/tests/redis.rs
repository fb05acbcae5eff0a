//! `mco-redis-rs` in coroutines, with a server of its own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mco_redis_rs::{Client, Commands, Connection, ErrorKind};

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// `None`: it is not installed.
    fn start() -> Option<Server> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        match command.arg(port.to_string()).stdout(Stdio::null()).spawn() {
            Ok(process) => Some(Server { process, port }),
            Err(error) => {
                eprintln!(
                    "skipped: `redis-server` does not start: {error}; install `redis-server`"
                );
                None
            }
        }
    }

    fn connect(&self) -> Connection {
        let client = Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap();
        for _ in 0..2000 {
            if let Ok(connection) = client.get_connection() {
                return connection;
            }
            mco::sleep(Duration::from_millis(5));
        }
        panic!("the server takes no connections");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn fifty_coroutines_at_once() {
    let Some(server) = Server::start() else { return };
    mco::scope(|s| {
        for n in 0..50 {
            let server = &server;
            s.spawn(move || {
                let mut connection = server.connect();
                for round in 0..20 {
                    let key = format!("key {n} {round}");
                    let _: () = connection.set(&key, n * round).unwrap();
                    assert_eq!(connection.get(&key), Ok(n * round));
                    let _: u64 = connection.incr("all", 1).unwrap();
                }
            });
        }
    });
    let mut connection = server.connect();
    assert_eq!(connection.get("all"), Ok(1000));
    let _: () = connection.set("text", "no number").unwrap();
    let error = connection.incr::<_, _, u64>("text", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResponseError);
}

#[test]
fn a_server_that_is_killed_ends_the_wait_with_an_error() {
    let Some(mut server) = Server::start() else { return };
    let mut connection = server.connect();
    let waits = mco::spawn(move || connection.blpop::<_, Vec<String>>("nothing comes", 0));
    mco::sleep(Duration::from_millis(50));
    assert!(!waits.is_finished());
    server.process.kill().unwrap();
    assert!(waits.join().unwrap().is_err());
}
