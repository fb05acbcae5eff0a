use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use crate::program::{Ended, Program, run};

const UDP_ECHO: &str = env!("CARGO_BIN_EXE_udp_echo");

fn udp_echo(arguments: &str) -> Ended {
    run(Command::new(UDP_ECHO).args(arguments.split_whitespace()))
}

fn serve() -> (Program, String) {
    let server = Program::start(Command::new(UDP_ECHO).args(["--serve", "127.0.0.1:0"]));
    let line = server.stdout.wait_for("serving on ");
    let address = line.strip_prefix("serving on ").unwrap().to_owned();
    (server, address)
}

#[test]
fn both_in_one() {
    let ended = udp_echo("");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.contains(": 10,000 answers in "), "{ended:?}");
}

#[test]
fn datagrams_of_all_sizes_come_back() {
    for size in ["16", "1472", "1473", "65507"] {
        let ended = udp_echo(&format!("--clients 3 --questions 20 --size {size}"));
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(": 60 answers in "), "{ended:?}");
    }
}

#[test]
fn a_server_serves_clients_of_several_processes() {
    let (_server, address) = serve();
    let ask = || {
        let arguments = ["--ask", &address, "--clients", "20", "--questions", "50"];
        Program::start(Command::new(UDP_ECHO).args(arguments))
    };
    let asking: Vec<_> = (0..3).map(|_| ask()).collect();
    for client in asking {
        let ended = client.end();
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(": 1,000 answers in "), "{ended:?}");
    }
}

#[test]
fn an_empty_datagram_comes_back_too() {
    let (_server, address) = serve();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.send_to(b"", &address).unwrap();
    assert_eq!(socket.recv_from(&mut [0; 8]).unwrap().0, 0);
}

/// A server that loses datagrams, sends some twice, and some that nobody asked for.
#[test]
fn what_is_lost_or_comes_twice_confuses_nobody() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        let mut last = [0; 100];
        for number in 0.. {
            let (count, from) = socket.recv_from(&mut buffer).unwrap();
            // It fails if the client has gone.
            let send = |bytes: &[u8]| drop(socket.send_to(bytes, from));
            match number % 4 {
                0 => {}
                1 => [&buffer[..count], &buffer[..count]].iter().for_each(|answer| send(answer)),
                2 => send(&last),
                _ => {
                    send(b"unasked for");
                    send(&buffer[..count]);
                }
            }
            last = buffer;
        }
    });
    let ended = udp_echo(&format!("--ask {address} --clients 1 --questions 10 --patience 50"));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(": 10 answers in "), "{ended:?}");
    assert!(!ended.stdout.contains(" 0 asked again"), "{ended:?}");
}

#[test]
fn nobody_there_is_told() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = "--clients 1 --questions 1 --patience 5 --attempts 3";
    let ended = udp_echo(&format!("--ask {address} {options}"));
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    let start = "udp_echo: client 0, question 0: no answer after 3 attempts: ";
    assert!(ended.stderr.starts_with(start), "{ended:?}");
}

#[test]
fn help_is_printed_and_bad_options_are_reported() {
    let help = udp_echo("--help");
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("--serve <ADDRESS>"), "{help:?}");
    for (arguments, status, complaint) in [
        ("--size 15", 2, "15 is not in 16..=65507"),
        ("--size 65508", 2, "65508 is not in 16..=65507"),
        ("--clients 0", 2, "0 is not in 1..=10000"),
        ("--serve 127.0.0.1:0 --ask 127.0.0.1:1", 2, "cannot be used with"),
        ("--serve nonsense", 1, "udp_echo: `nonsense` cannot be served: "),
        ("--ask nonsense", 1, "`nonsense` is no socket address"),
    ] {
        let ended = udp_echo(arguments);
        assert_eq!(ended.status, Some(status), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "no `{complaint}` in {ended:?}");
        assert_eq!(ended.stdout, "");
    }
}
