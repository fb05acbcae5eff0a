//! A chat for lines of text, with names and rooms.
//!
//! It shows one coroutine that owns everything, without a lock: its `select!` takes whatever comes
//! first, a new client, a line of somebody's, or the wish to stop. Each client has two coroutines more,
//! one a direction. The one that owns everything never waits for a client: what a client is sent goes
//! into a bounded channel, and who does not take its lines until that is full is dropped.
//!
//! Run it, and talk to it from two terminals:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin chat -- 127.0.0.1:7000
//! listening on 127.0.0.1:7000
//!
//! $ nc 127.0.0.1 7000
//! * welcome, guest1: you are in the lobby; /help lists the commands
//! /nick ada
//! * guest1 is ada now
//! hello
//! ada: hello
//! * guest2 comes in
//! guest2: hi ada
//! /who
//! * in the lobby: ada, guest2
//! /join garden
//! * ada comes in
//! /quit
//! * good-bye
//! ```
//!
//! Ctrl-C (SIGINT) or SIGTERM stops it; everybody is told.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use mco::coroutine::{self, Scope};
use mco::net::{TcpListener, TcpStream};
use mco::std::sync::SyncFlag;
use mco::std::sync::channel::{Receiver, Sender, TrySendError, bounded};
use mco::{defer, select};
use mco_examples::arguments::at_least_one;
use mco_examples::stop;

/// Lines that wait to be looked at. When there are more, those who send them wait.
const EVENTS: usize = 256;

/// The longest line.
const LONGEST_LINE: u64 = 1024;

/// The longest name of a client or a room.
const LONGEST_NAME: usize = 20;

/// How long a client that is let go may take to close.
const PARTING_TIME: Duration = Duration::from_secs(5);

/// How long a client may take nothing at all.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// Lines that wait for a client are sent together, up to about so many bytes.
const LARGE_WRITE: usize = 16 * 1024;

const LOBBY: &str = "lobby";

const HELP: &str = "* /nick NAME, /join ROOM, /who, /quit; anything else is said to the room";

/// A chat for lines of text, with names and rooms
#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 is any free one
    #[arg(default_value = "127.0.0.1:7000")]
    address: String,
    /// Lines that may wait until a client takes them
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = at_least_one)]
    outbox: usize,
}

#[mco::main]
fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: `{}` cannot be served: {error}", options.address);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let listener = TcpListener::bind(options.address.as_str())?;
    let stop = stop::on_signals()?;
    println!("listening on {}", listener.local_addr()?);
    coroutine::scope(|s| serve(s, listener, &stop, options.outbox));
    Ok(())
}

/// What a client does.
enum Event {
    Line(u64, String),
    Gone(u64),
}

/// Owns everything.
fn serve<'scope>(
    s: &'scope Scope<'scope, '_>,
    listener: TcpListener,
    stop: &SyncFlag,
    outbox_size: usize,
) {
    let (send_event, events) = bounded(EVENTS);
    let mut house = House::default();
    loop {
        select! {
            _ = stop.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let stream = Arc::new(stream);
                    let (outbox, outgoing) = bounded(outbox_size);
                    let number = house.admit(outbox, stream.clone());
                    let send_event = send_event.clone();
                    s.spawn(move || accompany(number, &stream, &send_event, &outgoing));
                }
                // Out of descriptors; `accept` has waited for a while before it said so.
                Err(error) => eprintln!("chat: {error}"),
            },
            event = events.recv() => match event.expect("this has a sender, too") {
                Event::Line(number, line) => house.hear(number, line.trim()),
                Event::Gone(number) => house.dismiss(number, "leaves"),
            },
        }
    }
    house.close();
    // The rest ends by itself, now that nothing is left to send to.
}

/// Moves a client's lines in both directions.
fn accompany(number: u64, stream: &TcpStream, events: &Sender<Event>, outgoing: &Receiver<String>) {
    let is_gone = SyncFlag::new();
    coroutine::scope(|s| {
        s.spawn(|| {
            if write_lines(stream, outgoing).is_err() {
                // It is gone, or as good as gone. The reader sees the end.
                let _ = stream.shutdown(Shutdown::Both);
            }
            // Whatever it still sends is nobody's, but closing now could cost it the last lines.
            let _ = stream.shutdown(Shutdown::Write);
            if !is_gone.wait_timeout(PARTING_TIME) {
                let _ = stream.shutdown(Shutdown::Read);
            }
        });
        defer!(is_gone.fire());
        // A client that is gone is gone, however it went. An event that nobody takes: the chat is over.
        let _ = read_lines(stream, |line| events.send(Event::Line(number, line)).is_ok());
        let _ = events.send(Event::Gone(number));
    });
}

/// Reads lines as long as somebody takes them.
fn read_lines(stream: &TcpStream, mut take: impl FnMut(String) -> bool) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let count = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(());
        }
        // A terminal shall not be told to do things.
        let mut line = String::from_utf8_lossy(&line).into_owned();
        line.retain(|character| !character.is_control());
        if !take(line) {
            // To the end, or what the client has not read yet could get lost.
            return io::copy(&mut reader, &mut io::sink()).map(drop);
        }
    }
}

/// Writes lines until there will be no more.
fn write_lines(mut stream: &TcpStream, outgoing: &Receiver<String>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_TIME))?;
    let mut text = String::new();
    for line in outgoing {
        text += &line;
        while text.len() < LARGE_WRITE
            && let Ok(line) = outgoing.try_recv()
        {
            text += &line;
        }
        stream.write_all(text.as_bytes())?;
        text.clear();
    }
    Ok(())
}

/// All clients.
#[derive(Default)]
struct House {
    guests: BTreeMap<u64, Guest>,
    admitted: u64,
}

struct Guest {
    name: String,
    room: String,
    outbox: Sender<String>,
    stream: Arc<TcpStream>,
}

impl House {
    /// Lets a client in; returns its number.
    fn admit(&mut self, outbox: Sender<String>, stream: Arc<TcpStream>) -> u64 {
        self.admitted += 1;
        let number = self.admitted;
        // A number that nobody has taken for a name.
        let free = (number..).map(|n| format!("guest{n}")).find(|name| !self.is_taken(name));
        let name = free.expect("there are more numbers than clients");
        let welcome =
            format!("* welcome, {name}: you are in the {LOBBY}; /help lists the commands");
        self.say_to_room(LOBBY, &format!("* {name} comes in"));
        self.guests.insert(number, Guest { name, room: LOBBY.to_owned(), outbox, stream });
        self.say_to(number, &welcome);
        number
    }

    /// A client has said something.
    fn hear(&mut self, number: u64, line: &str) {
        // It may have been dropped meanwhile.
        let Some(guest) = self.guests.get(&number) else { return };
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        match (command, argument.trim()) {
            ("", _) => {}
            ("/help", _) => self.say_to(number, HELP),
            ("/nick", name) => self.rename(number, name),
            ("/join", room) => self.move_to(number, room),
            ("/who", _) => {
                let names = self.names_in(&guest.room);
                self.say_to(number, &format!("* in the {}: {names}", guest.room.clone()));
            }
            ("/quit", _) => {
                self.say_to(number, "* good-bye");
                self.dismiss(number, "leaves");
            }
            _ if command.starts_with('/') => {
                self.say_to(number, &format!("* there is no {command}; /help lists the commands"));
            }
            _ => {
                let (room, said) = (guest.room.clone(), format!("{}: {line}", guest.name));
                self.say_to_room(&room, &said);
            }
        }
    }

    fn rename(&mut self, number: u64, name: &str) {
        if let Some(complaint) = complaint(name) {
            return self.say_to(number, &complaint);
        }
        if self.is_taken(name) {
            return self.say_to(number, &format!("* {name} is somebody else"));
        }
        let guest = self.guests.get_mut(&number).expect("it has just been heard");
        let old = std::mem::replace(&mut guest.name, name.to_owned());
        let room = guest.room.clone();
        self.say_to_room(&room, &format!("* {old} is {name} now"));
    }

    fn move_to(&mut self, number: u64, room: &str) {
        if let Some(complaint) = complaint(room) {
            return self.say_to(number, &complaint);
        }
        let guest = self.guests.get_mut(&number).expect("it has just been heard");
        let old = std::mem::replace(&mut guest.room, room.to_owned());
        let name = guest.name.clone();
        self.say_to_room(&old, &format!("* {name} leaves"));
        self.say_to_room(room, &format!("* {name} comes in"));
    }

    /// Lets a client go. Its writer ends when it has written what there is.
    fn dismiss(&mut self, number: u64, how: &str) {
        if let Some(guest) = self.guests.remove(&number) {
            self.say_to_room(&guest.room, &format!("* {} {how}", guest.name));
        }
    }

    /// The chat is over.
    fn close(&mut self) {
        let numbers: Vec<_> = self.guests.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.say_to(number, "* the server stops"));
        self.guests.clear();
    }

    fn is_taken(&self, name: &str) -> bool {
        self.guests.values().any(|guest| guest.name.eq_ignore_ascii_case(name))
    }

    fn names_in(&self, room: &str) -> String {
        let names = self.guests.values().filter(|guest| guest.room == room);
        names.map(|guest| guest.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn say_to(&mut self, number: u64, line: &str) {
        let is_too_slow = self.guests.get(&number).is_some_and(|guest| !guest.tell(line));
        if is_too_slow {
            self.dismiss(number, "is too slow, and dropped");
        }
    }

    fn say_to_room(&mut self, room: &str, line: &str) {
        let here = self.guests.iter().filter(|(_, guest)| guest.room == room);
        let too_slow: Vec<_> =
            here.filter(|(_, guest)| !guest.tell(line)).map(|(number, _)| *number).collect();
        too_slow.into_iter().for_each(|number| self.dismiss(number, "is too slow, and dropped"));
    }
}

impl Guest {
    /// `false`: it does not take its lines, and is cut off.
    fn tell(&self, line: &str) -> bool {
        match self.outbox.try_send(format!("{line}\n")) {
            Err(TrySendError::Full(_)) => {
                // It fails if the client was quicker.
                let _ = self.stream.shutdown(Shutdown::Both);
                false
            }
            // One that has closed is reported by its reader.
            Ok(()) | Err(TrySendError::Disconnected(_)) => true,
        }
    }
}

/// What is wrong with a name.
fn complaint(name: &str) -> Option<String> {
    let is_valid = !name.is_empty()
        && name.chars().count() <= LONGEST_NAME
        && name.chars().all(|character| character.is_alphanumeric() || "-_".contains(character));
    (!is_valid).then(|| {
        format!("* a name is 1 to {LONGEST_NAME} letters, digits, `-` and `_`; `{name}` is not")
    })
}
