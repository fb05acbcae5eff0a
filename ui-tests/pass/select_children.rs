//! Any expression may be an arm, and may borrow.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::coroutine::{park, sleep};
use mco::{join, select};
use std::time::Duration;

fn answer(to: &str) -> usize {
    sleep(Duration::from_millis(1));
    to.len()
}

fn main() {
    let question = String::from("what is it?");
    let length = select! {
        length = answer(&question) => length,
        _ = { park() } => 0,
        _ = sleep(Duration::from_secs(3601)) => 1,
    };
    assert_eq!(length, question.len());
    let (one, other) = join!(answer(&question), {
        let text = &question[..4];
        answer(text)
    });
    assert_eq!((one, other), (11, 4));
}
