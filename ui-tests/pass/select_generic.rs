//! `select!` in generic functions, methods, closures and loops.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::std::sync::channel::{Receiver, Sender, bounded, unbounded};
use mco::{go, select};
use std::fmt::Debug;

fn either<A: Send, B: Send + Into<A>>(a: &Receiver<A>, b: &Receiver<B>) -> Option<A> {
    select! {
        Ok(value) = a.recv() => Some(value),
        Ok(value) = b.recv() => Some(value.into()),
        else => None,
    }
}

struct Relay<T> {
    input: Receiver<T>,
    output: Sender<T>,
    stop: Receiver<()>,
}

impl<T: Send + Debug> Relay<T> {
    fn run(&mut self) -> usize {
        let mut passed = 0;
        loop {
            let value = select! {
                Ok(value) = self.input.recv() => value,
                Err(_) = self.input.recv() => return passed,
                _ = self.stop.recv() => return passed,
            };
            select! {
                sent = self.output.send(value) => sent.unwrap(),
                _ = self.stop.recv() => return passed,
            }
            passed += 1;
        }
    }
}

fn main() {
    let (numbers, from_numbers) = unbounded::<u64>();
    let (small, from_small) = unbounded::<u32>();
    small.send(5).unwrap();
    assert_eq!(either(&from_numbers, &from_small), Some(5));
    drop((numbers, small));

    let (input, output, stop) = (unbounded(), bounded(1), unbounded());
    let mut relay = Relay { input: input.1, output: output.0, stop: stop.1 };
    let running = go!(move || relay.run());
    input.0.send("a").unwrap();
    input.0.send("b").unwrap();
    assert_eq!((output.1.recv(), output.1.recv()), (Ok("a"), Ok("b")));
    drop(input.0);
    assert_eq!(running.join().unwrap(), 2);

    let (sender, receiver) = unbounded();
    let next = || select! { value = receiver.recv() => value.ok(), default => None };
    sender.send(1).unwrap();
    assert_eq!((next(), next()), (Some(1), None));
}
