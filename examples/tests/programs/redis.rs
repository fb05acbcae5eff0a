use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::program::{Ended, Program, has, run};

const REDIS: &str = env!("CARGO_BIN_EXE_redis");

/// A server of the test's own, or `None` if there is none to be had.
fn serve(name: &str) -> Option<(Program, String)> {
    if !has("redis-server") {
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    // It cannot choose a port by itself; if somebody takes this one in between, another is tried.
    for _ in 0..10 {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = free.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(&folder);
        let server = Program::start(&mut command);
        let line = server.stdout.wait_for_any(&["Ready to accept connections", "Address already"]);
        if line.contains("Ready") {
            return Some((server, free.to_string()));
        }
    }
    panic!("redis-server finds no port");
}

fn redis(server: &str, options: &str) -> Ended {
    run(Command::new(REDIS).arg(server).args(options.split_whitespace()))
}

#[test]
fn many_coroutines_share_a_few_connections() {
    let Some((_server, address)) = serve("redis-shared") else { return };
    for connections in [1, 8, 200] {
        let ended = redis(&address, &format!("--connections {connections} --rounds 20"));
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        for line in [
            format!("commands   100 coroutines over {connections} connections: 6,000 in "),
            "pipelines  10,000 commands, 100 at a time, in ".to_owned(),
            "pub/sub    1,000 messages from 100 coroutines, in order".to_owned(),
        ] {
            assert!(ended.stdout.contains(&line), "no `{line}` in {ended:?}");
        }
    }
    if has("redis-cli") {
        let port = address.split_once(':').unwrap().1;
        let left = run(Command::new("redis-cli").args(["-p", port, "DBSIZE"]));
        assert_eq!(left.stdout, "0\n", "it leaves something behind");
    }
}

#[test]
fn a_server_that_goes_away_is_told() {
    let Some((server, address)) = serve("redis-gone") else { return };
    let mut command = Command::new(REDIS);
    let client = Program::start(command.args([&address, "--rounds", "1000000"]));
    client.stdout.wait_for("redis ");
    drop(server);
    let ended = client.end();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.starts_with(&format!("redis: `{address}`: ")), "{ended:?}");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ended = redis(&nobody, "");
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("refused"), "{ended:?}");
}

#[test]
fn help_is_printed_and_bad_options_are_reported() {
    let help = run(Command::new(REDIS).arg("--help"));
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("Usage: redis [OPTIONS] [SERVER]"), "{help:?}");
    for (options, complaint) in [
        ("--connections 0", "0 is not in 1..=1000"),
        ("--rounds few", "invalid value 'few' for '--rounds <N>'"),
        ("--fast", "unexpected argument '--fast'"),
    ] {
        let ended = redis("127.0.0.1:1", options);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "no `{complaint}` in {ended:?}");
    }
}
