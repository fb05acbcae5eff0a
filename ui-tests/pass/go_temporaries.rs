//! An operand gives up what it borrowed before the coroutine starts.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::coroutine::scope;
use mco::go;
use std::sync::{Arc, Mutex};

fn add(one: usize, two: usize) -> usize {
    one + two
}

fn sum(numbers: &'static [usize], text: &'static &'static str) -> usize {
    numbers.iter().sum::<usize>() + text.len()
}

fn lock(shared: &Mutex<Vec<u32>>, number: u32) -> usize {
    let mut list = shared.lock().unwrap();
    list.push(number);
    list.len()
}

fn main() {
    let shared = Arc::new(Mutex::new(vec![1]));
    // The guard is gone by the end of the operands, or `lock` would never return.
    let length = scope(|s| go!(s, lock(&shared, shared.lock().unwrap()[0])).join().unwrap());
    assert_eq!(length, 2);

    // References to constants live for ever.
    assert_eq!(go!(sum(&[1, 2], &"three")).join().unwrap(), 8);

    let mut words = vec![String::from("word")];
    let handle = go!(add(words[0].len(), words.drain(..).count()));
    words.clear();
    assert_eq!(handle.join().unwrap(), 5);
}
