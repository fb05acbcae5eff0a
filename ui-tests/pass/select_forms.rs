//! Every form of `select!`.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::coroutine::{self, JoinHandle, sleep};
use mco::net::{TcpListener, TcpStream};
use mco::std::sync::{Receiver, Sender};
use mco::{chan, go, select};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvError, SendError};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3601);
const MOMENT: Duration = Duration::from_millis(1);

fn operations(
    receiver: &Receiver<u32>,
    sender: &Sender<String>,
    listener: &TcpListener,
    is_done: bool,
) -> Result<u32, RecvError> {
    let handle: JoinHandle<u32> = go!(move || if is_done {
        4
    } else {
        sleep(HOUR);
        1
    });
    while is_done && !handle.is_finished() {
        coroutine::yield_now();
    }
    let number = select! {
        biased;
        value = receiver.recv() => value?,
        result = sender.send("x".to_string()) => {
            result.unwrap();
            return Ok(1);
        },
        result = handle.join() => result.unwrap(),
        _ = sleep(HOUR) => 0,
        accepted = listener.accept() => {
            let _: io::Result<(TcpStream, std::net::SocketAddr)> = accepted;
            5
        }
        text = { "6".to_owned() } => text.parse().unwrap(),
        text = str::parse::<u32>("7") => text.unwrap(),
    };
    Ok(number)
}

fn patterns(receiver: &Receiver<Result<u32, String>>) -> String {
    select! {
        Ok(Ok(number @ 0..=9)) = receiver.recv() => format!("digit {number}"),
        Ok(Ok(mut number)) = receiver.recv() => {
            number += 1;
            format!("number below {number}")
        }
        | Ok(Err(text)) = receiver.recv(), if true => text,
        Err(RecvError) = receiver.recv() => "closed".to_owned(),
    }
}

fn guards(receiver: &Receiver<u32>, is_open: bool) -> &'static str {
    select! {
        biased;
        Ok(1) = receiver.recv(), if is_open => "one",
        Ok(_) = receiver.recv(), if is_open && !receiver.is_empty() => "some",
        _ = sleep(MOMENT), if !is_open => "late",
        else => "closed",
    }
}

/// All that leads out of a body.
fn leaving(receiver: &Receiver<u32>) -> Result<u32, RecvError> {
    let (mut sum, mut added) = (0, 0);
    'all: loop {
        for _ in 0..2 {
            select! {
                biased;
                Ok(value) = receiver.recv(), if sum < 100 => match value {
                    0 => break,
                    1 => continue,
                    _ => sum += value,
                },
                Err(error) = receiver.recv() => return Err(error),
                default => break 'all,
            }
            added += 1;
        }
        if sum > 50 {
            return Ok(sum + added);
        }
    }
    let value = select! { value = receiver.recv() => value, default => Ok(0) }?;
    Ok(sum + value)
}

/// A value that was not sent is there again.
fn given_back(sender: &Sender<Vec<u8>>, receiver: &Receiver<u32>) -> (Vec<u8>, u32) {
    let value = vec![1];
    select! {
        result = sender.send(value) => match result {
            Ok(()) => (Vec::new(), 0),
            Err(SendError(mut value)) => {
                value.push(2);
                (value, 2)
            }
        },
        number = receiver.recv() => {
            value.push(3);
            (value, number.unwrap())
        }
    }
}

fn given_back_at_last(sender: &Sender<Vec<u8>>, is_open: bool) -> String {
    let value = vec![1];
    let other = vec![2];
    let text = select! {
        biased;
        Ok(()) | Err(SendError(_)) = sender.send(value), if is_open => format!("{other:?}"),
        result = sender.send(other), if is_open => { drop(result); format!("{value:?}") }
        else => format!("{value:?} {}", other[0]),
    };
    select! {
        Ok(()) = sender.send(vec![]) => text,
        Err(_) = sender.send(vec![]) => text,
        default => text + "!",
    }
}

/// Guards come first, in the order in which they are written; operands next; each once.
fn order(receiver: &Receiver<u32>, sender: &Sender<u32>) -> String {
    let log = std::cell::RefCell::new(String::new());
    let see = |letter, value| {
        log.borrow_mut().push(letter);
        value
    };
    select! {
        biased;
        Ok(1) = receiver.recv(), if see('a', 1) == 1 => {}
        result = sender.clone().send(see('d', 7)), if see('b', 0) == 1 => result.unwrap(),
        Ok(2) = receiver.recv(), if see('c', 1) == 0 => {}
        _ = sender.send(see('e', 8)) => {}
    }
    log.into_inner()
}

struct Server {
    receivers: Vec<Receiver<u32>>,
    pair: (Sender<u32>, Receiver<u32>),
}

impl Server {
    fn receiver(&self) -> Option<&Receiver<u32>> {
        self.receivers.first()
    }

    /// Where the receiver of an operation may be, and what is evaluated once.
    fn places(&self, mut index: usize, arc: &Arc<Receiver<u32>>) -> Option<u32> {
        let mut calls = 0;
        let mut next = || {
            calls += 1;
            index += 1;
            index
        };
        let number = select! {
            biased;
            value = self.receivers[next() - 1].recv() => value.unwrap(),
            value = (self.receivers)[0].recv() => value.unwrap() + 1,
            value = self.receiver()?.recv() => value.unwrap() + 2,
            value = self.pair.1.clone().recv() => value.unwrap() + 3,
            value = (**arc).recv() => value.unwrap() + 4,
            value = (&self.pair).1.recv() => value.unwrap() + 5,
            result = self.pair.0.clone().send(self.receiver().map(|_| 7)?) => {
                result.unwrap();
                0
            }
        };
        assert_eq!(calls, 1);
        Some(number)
    }
}

/// What has methods of these names, but is not of mco.
struct Foreign(Vec<u32>);

impl Foreign {
    fn recv(&mut self) -> Option<u32> {
        self.0.pop()
    }

    fn send(&mut self, value: u32) -> usize {
        self.0.push(value);
        self.0.len()
    }

    fn wait(self) -> Vec<u32> {
        self.0
    }
}

fn foreign(mut foreign: Foreign) -> Vec<u32> {
    let (_sender, silent) = chan!(u32, 0);
    select! {
        value = foreign.recv() => assert_eq!(value, Some(3)),
        _ = silent.recv() => {}
    }
    select! {
        length = foreign.send(4) => assert_eq!(length, 3),
        _ = silent.recv() => {}
    }
    select! {
        all = foreign.wait() => all,
        _ = silent.recv() => vec![],
    }
}

fn borrowing(words: &mut Vec<String>, receiver: &Receiver<u32>) -> usize {
    let length = words.len();
    select! {
        word = { words.push("pushed".into()); words.last().cloned() } => {
            words.extend(word);
            words.len()
        }
        _ = receiver.recv() => length,
    }
}

#[mco::main]
fn main() {
    let (sender, receiver) = chan!(u32, 8);
    let (texts, _texts) = chan!(String, 0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    sender.send(3).unwrap();
    assert_eq!(operations(&receiver, &texts, &listener, false), Ok(3));
    assert_eq!(operations(&receiver, &texts, &listener, true), Ok(4));

    let (results, many) = chan!();
    for result in [Ok(7), Ok(77), Err("no".to_owned())] {
        results.send(result).unwrap();
    }
    drop(results);
    let expected = ["digit 7", "number below 78", "no", "closed"];
    assert_eq!([(); 4].map(|()| patterns(&many)), expected);

    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!([guards(&receiver, true), guards(&receiver, true)], ["one", "some"]);
    assert_eq!(guards(&receiver, false), "late");

    for value in [7, 0, 1, 20, 30, 1] {
        sender.send(value).unwrap();
    }
    assert_eq!(leaving(&receiver), Ok(60));
    assert_eq!(leaving(&receiver), Ok(0));

    let (bytes, taken) = chan!(Vec<u8>, 0);
    sender.send(9).unwrap();
    assert_eq!(given_back(&bytes, &receiver), (vec![1, 3], 9));
    assert_eq!(given_back_at_last(&bytes, false), "[1] 2!");
    drop(taken);
    assert_eq!(given_back(&bytes, &receiver), (vec![1, 2], 2));
    assert_eq!(given_back_at_last(&bytes, true), "[2]");

    assert_eq!(order(&receiver, &sender), "abcde");
    assert_eq!(receiver.recv(), Ok(8));

    let server = Server { receivers: vec![receiver.clone()], pair: chan!(0) };
    sender.send(5).unwrap();
    assert_eq!(server.places(0, &Arc::new(receiver.clone())), Some(5));
    assert_eq!(foreign(Foreign(vec![1, 2, 3])), [1, 2, 4]);
    assert_eq!(borrowing(&mut Vec::new(), &receiver), 2);
}
