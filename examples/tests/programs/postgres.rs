use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use crate::program::{Program, run};
use crate::tool::tool;

const POSTGRES: &str = env!("CARGO_BIN_EXE_postgres");

/// A PostgreSQL of the test's own: on a free port, in a temporary folder. Stopped when it is dropped.
struct Server {
    program: Option<Program>,
    folder: Folder,
    port: u16,
}

/// Removed when it is dropped, by whoever it belongs to.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.0);
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// PostgreSQL does not run as root: then as the user that Debian makes for it. This becomes the program,
/// so that its process is the one that is started.
fn as_user(command: &Command) -> Command {
    let is_root = run(Command::new("id").arg("-u")).stdout.trim() == "0";
    let mut as_user = if is_root {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
        setpriv.arg(command.get_program());
        setpriv
    } else {
        Command::new(command.get_program())
    };
    as_user.args(command.get_args()).current_dir(std::env::temp_dir());
    as_user
}

fn done(command: &Command) -> String {
    let ended = run(&mut as_user(command));
    assert_eq!(ended.status, Some(0), "{command:?}: {ended:?}");
    ended.stdout
}

impl Server {
    /// `None`: it is not installed.
    fn start() -> Option<Server> {
        let (mut initdb, postgres) =
            (tool("initdb", "postgresql")?, tool("postgres", "postgresql")?);
        let place = std::env::temp_dir().join("mco-postgres-XXXXXX");
        let folder = done(Command::new("mktemp").arg("-d").arg(place));
        let folder = Folder(PathBuf::from(folder.trim_end()));
        let data = folder.0.join("data");
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        done(initdb.args(["--no-sync", "--pgdata"]).arg(&data));
        // Somebody else may take the port before the server does.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(postgres.get_program());
            command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-F"]);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c"]);
            command.arg(format!("unix_socket_directories={}", folder.0.display()));
            let program = Program::start(&mut as_user(&command));
            let lines = ["database system is ready to accept connections", "FATAL"];
            let line = program.stderr.wait_for_any(&lines);
            if !line.contains("FATAL") {
                return Some(Server { program: Some(program), folder, port });
            }
            eprintln!("PostgreSQL did not start on port {port}: {line}");
        }
        panic!("PostgreSQL does not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let program = self.program.take().expect("it runs");
        if std::thread::panicking() {
            return;
        }
        // Fast: sessions are ended.
        program.signal("INT");
        let ended = program.end();
        assert_eq!(ended.status, Some(0), "{ended:?}");
    }
}

#[test]
fn talks_to_a_real_server() {
    let Some(server) = Server::start() else { return };
    let tcp = format!("host=127.0.0.1 port={} user=postgres", server.port);
    let unix = format!("host={} port={} user=postgres", server.folder.0.display(), server.port);
    for server in [tcp, unix] {
        let ended = run(Command::new(POSTGRES).arg(&server));
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        let lines: Vec<_> = ended.stdout.lines().collect();
        assert!(lines[0].starts_with("connected to PostgreSQL "), "{ended:?}");
        let right = "1000 queries of 100 coroutines over 4 connections: every answer is right";
        let others = [
            right,
            "a transfer is committed: 70 and 80",
            "another one is rolled back: 70 and 80",
            "notified on `news` by another connection: it works",
            "an error of the server: 22012, division by zero",
            "and the connection goes on: 42",
        ];
        assert_eq!(lines[1..], others);
    }
    for (user, complaint) in [("nobody", "role \"nobody\" does not exist"), ("", "user")] {
        let address = format!("host=127.0.0.1 port={} user='{user}'", server.port);
        let ended = run(Command::new(POSTGRES).arg(address));
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "{ended:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_reported() {
    // Nobody listens there.
    let ended = run(Command::new(POSTGRES).arg("host=127.0.0.1 port=1 user=x"));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Connection refused"), "{ended:?}");
    let ended = run(Command::new(POSTGRES).arg("what=ever"));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("what"), "{ended:?}");
}
