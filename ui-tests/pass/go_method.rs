//! The receiver of a method is an operand: taken over by value.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::coroutine::JoinHandle;
use mco::go;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

#[derive(Clone)]
struct Counter {
    count: u32,
    step: fn(u32) -> u32,
}

impl Counter {
    fn new() -> Self {
        Self { count: 1, step: |count| count + 1 }
    }

    fn get(&self) -> u32 {
        self.count
    }

    fn add(&mut self, number: u32) -> u32 {
        self.count += number;
        self.count
    }

    fn finish(self, text: &str) -> String {
        format!("{text}{}", self.count)
    }

    fn in_background(self: &Arc<Self>) -> JoinHandle<u32> {
        go!(self.clone().get())
    }

    /// Fields of a borrowed `self` are copied, so that the coroutine borrows nothing.
    fn fields(&self) -> (JoinHandle<u32>, JoinHandle<u32>) {
        (go!(self.count.pow(2)), go!((self.step)(self.count)))
    }
}

fn main() {
    let counter = Counter::new();
    assert_eq!(go!(counter.clone().add(1)).join().unwrap(), 2);
    let shared = Arc::new(counter.clone());
    assert_eq!(shared.in_background().join().unwrap(), 1);
    let (power, step) = shared.fields();
    assert_eq!((power.join().unwrap(), step.join().unwrap()), (1, 2));

    let mut mine = counter.clone();
    assert_eq!(go!(mine.add(2 * 2)).join().unwrap(), 5);
    let pair = (counter, ());
    assert_eq!(go!(pair.0.finish("n")).join().unwrap(), "n1");

    // The arguments may ask the receiver, as they may in any call.
    let mut queue = vec![0, 0];
    go!(queue.push(queue.len())).join().unwrap();
    // A static is not moved, it is just called.
    assert_eq!(go!(COUNT.fetch_add(1, Ordering::SeqCst)).join().unwrap(), 0);
    assert_eq!(go!("literal".len()).join().unwrap(), 7);
}
