//! Neither side of `select!` and `join!` sees the names of the other; they nest, and stand in macros and generics.
#![forbid(unsafe_code)]
#![deny(warnings)]
#![allow(clippy::used_underscore_binding)]

use mco::std::sync::{Receiver, Sender};
use mco::{chan, join, select};
use std::fmt::Display;

/// Functions and constants that an expansion might have called its own.
fn run() -> u32 {
    3
}

fn native(number: u32) -> u32 {
    number
}

#[allow(non_upper_case_globals)]
const index: u32 = 1;

macro_rules! first_of {
    ($one:expr, $two:expr) => {
        select! { value = $one.recv() => value, value = $two.recv() => value }
    };
}

macro_rules! any {
    ($($receiver:ident => $body:expr),* $(,)?) => {
        select! { $(value = $receiver.recv() => value.map($body)),*, default => Ok(0) }
    };
}

macro_rules! arm {
    ($pattern:pat = $operation:expr, if $guard:expr => $body:block) => {
        select! { $pattern = $operation, if $guard => $body else => 0 }
    };
}

macro_rules! with_own_names {
    ($receiver:expr) => {{
        let value = 5;
        select! { result = $receiver.recv() => result.unwrap() + value }
    }};
}

macro_rules! both {
    ($($operand:expr),*) => {
        join!($($operand),*)
    };
}

fn generic<T>(
    sender: &Sender<T>,
    receiver: &Receiver<T>,
    value: T,
) -> String
where
    T: Clone + Send + Display + 'static,
{
    let copy = value.clone();
    select! {
        Err(error) = sender.send(value) => error.0.to_string(),
        Ok(value) = receiver.recv(), if false => value.to_string(),
        default => copy.to_string(),
    }
}

fn in_closures(receivers: &[Receiver<u32>]) -> Vec<u32> {
    let receive = |receiver: &Receiver<u32>| select! { value = receiver.recv() => value.unwrap() };
    receivers.iter().map(receive).collect()
}

struct __Selected;

fn many(receiver: &Receiver<u32>) -> u32 {
    macro_rules! sixty_four {
        ($($number:tt)*) => {
            select! {
                biased;
                $(value = { let () = receiver_is($number); receiver.recv() }, if $number == 60 => value.unwrap() + $number,)*
            }
        };
    }
    fn receiver_is(_number: u32) {}
    sixty_four! {
        0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
    }
}

#[mco::main]
fn main() {
    let (sender, receiver) = chan!(u32, 8);
    let send = |values: &[u32]| values.iter().for_each(|value| sender.send(*value).unwrap());
    let _ = __Selected;

    let (operation0, operands, chosen, enabled, happened) = (1, 2, 4, true, 8);
    let (guard0, back0, mut arms) = (16, 32, 0);
    send(&[1]);
    let sum = select! {
        _value = receiver.recv(), if enabled => {
            arms += 1;
            operation0 + operands + chosen + happened + guard0 + back0 + _value.unwrap() + run() + native(arms) + index
        }
        () = mco::coroutine::sleep(std::time::Duration::from_secs(3601)) => operands,
    };
    assert_eq!((sum, arms), (69, 1));

    let (joint, handle0, value0) = (1, 2, 3);
    assert_eq!(join!(joint, handle0 + value0, { value0 }), (1, 5, 3));

    // In each place of another one.
    send(&[1, 2, 3]);
    let nested = select! {
        Ok(3) = { select! { value = receiver.recv() => value.map(|value| value + 2) } } => {
            select! { value = receiver.recv() => select! { other = receiver.recv() => (value, other) } }
        }
    };
    assert_eq!(nested, (Ok(2), Ok(3)));
    assert_eq!(join!(select! { default => 1, _ = receiver.recv() => 2 }, join!(2)), (1, (2,)));

    send(&[1, 2, 3, 4, 5]);
    assert_eq!(first_of!(receiver, receiver.clone()), Ok(1));
    assert_eq!(any!(receiver => |value| value + 1), Ok(3));
    assert_eq!(arm!(Ok(number) = receiver.recv(), if enabled => { number }), 3);
    assert_eq!(with_own_names!(receiver), 9);
    assert_eq!(both!(1, arms + 1), (1, 2));
    assert_eq!(many(&receiver), 65);
    assert_eq!(generic(&sender, &receiver, 1), "1");
    assert_eq!(in_closures(&[receiver]), [1]);
}
