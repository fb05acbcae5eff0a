use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::program::{Program, eventually, run};

const CHAT: &str = env!("CARGO_BIN_EXE_chat");

struct Guest(BufReader<TcpStream>);

fn start(options: &str) -> (Program, String) {
    let mut command = Command::new(CHAT);
    let server = Program::start(command.arg("127.0.0.1:0").args(options.split_whitespace()));
    let line = server.stdout.wait_for("listening on ");
    let address = line.strip_prefix("listening on ").unwrap().to_owned();
    (server, address)
}

impl Guest {
    /// Comes in as `guestN`.
    fn enter(address: &str, number: u32) -> Guest {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut guest = Guest(BufReader::new(stream));
        let welcome =
            format!("* welcome, guest{number}: you are in the lobby; /help lists the commands");
        guest.hears(&welcome);
        guest
    }

    /// Comes in, with nobody else there, and takes a name.
    fn named(address: &str, number: u32, name: &str) -> Guest {
        let mut guest = Guest::enter(address, number);
        guest.says(&format!("/nick {name}"));
        guest.hears(&format!("* guest{number} is {name} now"));
        guest
    }

    fn says(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, expected: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end_matches('\n'), expected);
    }

    #[track_caller]
    fn hears_the_end(mut self) {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

#[test]
fn what_is_said_is_heard_in_the_room() {
    let (_server, address) = start("");
    let mut ada = Guest::named(&address, 1, "ada");
    let mut bob = Guest::enter(&address, 2);
    ada.hears("* guest2 comes in");
    bob.says("hi ada");
    for guest in [&mut ada, &mut bob] {
        guest.hears("guest2: hi ada");
    }
    bob.says("/join garden");
    bob.hears("* guest2 comes in");
    ada.hears("* guest2 leaves");
    bob.says("anybody?");
    bob.hears("guest2: anybody?");
    // Not a word of it in the lobby.
    ada.says("alone again");
    ada.hears("ada: alone again");
    ada.says("/join garden");
    bob.hears("* ada comes in");
    bob.says("/who");
    bob.hears("* in the garden: ada, guest2");
}

#[test]
fn who_leaves_is_missed_however_it_leaves() {
    let (_server, address) = start("");
    let mut ada = Guest::named(&address, 1, "ada");
    let mut quits = Guest::enter(&address, 2);
    ada.hears("* guest2 comes in");
    quits.says("/quit");
    quits.hears("* good-bye");
    quits.hears_the_end();
    ada.hears("* guest2 leaves");
    let closes = Guest::enter(&address, 3);
    ada.hears("* guest3 comes in");
    drop(closes);
    ada.hears("* guest3 leaves");
    // Who has said the last word without a line's end has said it.
    let mut ends = Guest::enter(&address, 4);
    ada.hears("* guest4 comes in");
    ends.0.get_mut().write_all(b"the last word").unwrap();
    ends.0.get_mut().shutdown(Shutdown::Write).unwrap();
    ada.hears("guest4: the last word");
    ada.hears("* guest4 leaves");
}

#[test]
fn mistakes_are_told_to_who_makes_them() {
    let (_server, address) = start("");
    let mut ada = Guest::named(&address, 1, "ada");
    let mut bob = Guest::enter(&address, 2);
    ada.hears("* guest2 comes in");
    for (line, complaint) in [
        ("/nick Ada", "* Ada is somebody else"),
        ("/nick", "* a name is 1 to 20 letters, digits, `-` and `_`; `` is not"),
        ("/nick a b", "* a name is 1 to 20 letters, digits, `-` and `_`; `a b` is not"),
        ("/join ?", "* a name is 1 to 20 letters, digits, `-` and `_`; `?` is not"),
        ("/shout", "* there is no /shout; /help lists the commands"),
    ] {
        bob.says(line);
        bob.hears(complaint);
    }
    bob.says("");
    bob.says("\x1b[2Jplain \u{7}text");
    bob.hears("guest2: [2Jplain text");
    ada.hears("guest2: [2Jplain text");
}

#[test]
fn a_line_that_is_too_long_is_more_than_one() {
    let (_server, address) = start("");
    let mut ada = Guest::enter(&address, 1);
    ada.says(&"x".repeat(1_500));
    ada.hears(&format!("guest1: {}", "x".repeat(1_024)));
    ada.hears(&format!("guest1: {}", "x".repeat(476)));
}

#[test]
fn who_does_not_read_is_dropped_and_holds_up_nobody() {
    let (server, address) = start("--outbox 20");
    let mut ada = Guest::named(&address, 1, "ada");
    let before = server.descriptors();
    let stuck = Guest::enter(&address, 2);
    ada.hears("* guest2 comes in");
    let text = "x".repeat(1_000);
    let said = format!("ada: {text}");
    // The stuck one's sockets hold some of it.
    for round in 0.. {
        assert!(round < 100_000, "the one who does not read is not dropped");
        ada.says(&text);
        let mut line = String::new();
        ada.0.read_line(&mut line).unwrap();
        match line.trim_end() {
            "* guest2 is too slow, and dropped" => break,
            line => assert_eq!(line, said),
        }
    }
    drop(stuck);
    eventually("its descriptor is closed", || server.descriptors() == before);
}

#[test]
fn a_crowd_hears_everything_in_the_same_order() {
    let (_server, address) = start("--outbox 2000");
    let mut crowd = Vec::new();
    for number in 1..=30 {
        let mut guest = Guest::enter(&address, number);
        // So that nobody has to count who came in when.
        guest.says("/join crowd");
        guest.hears(&format!("* guest{number} comes in"));
        crowd.push(guest);
    }
    for round in 0..20 {
        crowd.iter_mut().for_each(|guest| guest.says(&format!("round {round}")));
    }
    let said = |guest: &mut Guest| -> Vec<String> {
        let lines = guest.0.by_ref().lines().map(Result::unwrap);
        lines.filter(|line| !line.starts_with('*')).take(600).collect()
    };
    let first = said(&mut crowd[0]);
    for number in 1..=30 {
        let name = format!("guest{number}: ");
        let own: Vec<_> = first.iter().filter_map(|line| line.strip_prefix(&name)).collect();
        assert_eq!(own, (0..20).map(|round| format!("round {round}")).collect::<Vec<_>>());
    }
    assert!(crowd[1..].iter_mut().all(|guest| said(guest) == first), "the order differs");
}

#[test]
fn a_signal_stops_it_and_all_are_told() {
    let (server, address) = start("");
    let mut ada = Guest::enter(&address, 1);
    let mut bob = Guest::enter(&address, 2);
    ada.hears("* guest2 comes in");
    server.signal("INT");
    for guest in [&mut ada, &mut bob] {
        guest.hears("* the server stops");
    }
    ada.hears_the_end();
    bob.hears_the_end();
    let ended = server.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
}

#[test]
fn help_is_printed_and_bad_options_are_reported() {
    let help = run(Command::new(CHAT).arg("--help"));
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("Usage: chat [OPTIONS] [ADDRESS]"), "{help:?}");
    for (arguments, status, complaint) in [
        ("--outbox 0", 2, "a whole number of at least 1 is needed"),
        ("nonsense", 1, "chat: `nonsense` cannot be served: "),
    ] {
        let ended = run(Command::new(CHAT).args(arguments.split_whitespace()));
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(status), ""), "{ended:?}");
        assert!(ended.stderr.contains(complaint), "no `{complaint}` in {ended:?}");
    }
}
