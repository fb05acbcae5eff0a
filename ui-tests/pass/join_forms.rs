//! Every form of `join!`: what it evaluates to, what it borrows, and how it panics.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::coroutine::{self, sleep};
use mco::{chan, join};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn double(number: u32) -> u32 {
    number * 2
}

fn generic<T: Clone + Send + Sync>(value: &T) -> (T, T) {
    join!(value.clone(), value.clone())
}

/// Says on drop that its coroutine was unwound.
struct Notice<'a>(&'a AtomicBool);

impl Drop for Notice<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[mco::main]
fn main() {
    join!();
    let (only,) = join!(1 + 1);
    assert_eq!(only, 2);
    let (a, b): (u32, String) = join!(double(2), "x".to_string());
    assert_eq!((a, b.as_str()), (4, "x"));
    assert_eq!(join!(crate = mco, 1, 2, 3), (1, 2, 3));
    assert_eq!(generic(&'x'), ('x', 'x'));

    // They borrow, each as it needs, and move.
    let text = String::from("one two");
    let mut words = Vec::new();
    let moved = String::from("moved");
    let (length, (), moved) = join!(text.len(), words.extend(text.split(' ')), {
        let mut moved = moved;
        moved.push('!');
        moved
    },);
    assert_eq!((length, words.len(), moved.as_str()), (7, 2, "moved!"));

    // All at once: each waits for the other.
    let ((to_right, left), (to_left, right)) = (chan!(u8, 0), chan!(u8, 0));
    let exchange = join!(
        {
            to_right.send(1).unwrap();
            right.recv().unwrap()
        },
        {
            let number = left.recv().unwrap();
            to_left.send(number + 1).unwrap();
            number
        },
    );
    assert_eq!(exchange, (2, 1));
    let nested = join!(join!(1, 2), {
        if text.is_empty() {
            return 0;
        }
        3
    });
    assert_eq!(nested, ((1, 2), 3));

    // The first panic is passed on, after the others were cancelled.
    let unwound = AtomicBool::new(false);
    let payload = catch_unwind(AssertUnwindSafe(|| {
        join!(
            {
                let _notice = Notice(&unwound);
                sleep(Duration::from_secs(3601));
            },
            {
                coroutine::yield_now();
                panic_any("boom");
            },
        )
    }));
    assert_eq!(payload.unwrap_err().downcast_ref(), Some(&"boom"));
    assert!(unwound.into_inner());
}
