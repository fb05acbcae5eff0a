//! `go!` with a cqueue and a token.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::cqueue;
use mco::go;

fn main() {
    let words = ["one", "two", "three"];
    let lengths = cqueue::scope(|cqueue| {
        for (token, word) in words.iter().enumerate() {
            go!(cqueue, token, move |events| events.send(word.len()));
        }
        let mut lengths = [0; 3];
        while let Ok(event) = cqueue.poll(None) {
            lengths[event.token] = event.extra;
        }
        lengths
    });
    assert_eq!(lengths, [3, 3, 5]);
}
