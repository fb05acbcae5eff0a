//! What leads to a channel is one, and what is not `Send` is sent and received where it is.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::std::sync::{Receiver, Sender};
use mco::{chan, select};
use std::ops::Deref;
use std::rc::Rc;

struct Outbox(Sender<Rc<u32>>);

impl Deref for Outbox {
    type Target = Sender<Rc<u32>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// With a method of its own.
struct Inbox(Receiver<Rc<u32>>);

impl Deref for Inbox {
    type Target = Receiver<Rc<u32>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Inbox {
    fn recv(&self) -> usize {
        self.0.len()
    }
}

fn main() {
    let (sender, receiver) = chan!(Rc<u32>, 0);
    let (outbox, inbox) = (Outbox(sender), Rc::new(receiver));
    let value = Rc::new(5);
    let sent = select! {
        result = outbox.send(value) => result.is_ok(),
        result = inbox.recv() => result.is_err(),
        default => *value == 6,
    };
    assert!(!sent);
    let own: fn(&Inbox) -> usize = Inbox::recv;
    let _ = own;
}
