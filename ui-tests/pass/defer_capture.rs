//! The body captures as a closure does: what it only looks at may be looked at, and `move` moves.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::defer;
use std::sync::Mutex;

fn main() {
    let text = String::from("text");
    defer!(assert_eq!(text, "text"));
    assert_eq!(text.len(), 4);

    let mut list = vec![1];
    {
        defer!(list.push(2));
    }
    list.push(3);
    assert_eq!(list, [1, 2, 3]);

    // What the body consumes is moved, without `move`, too.
    let given = String::from("given");
    defer!(drop(given));

    let mut number = 1;
    defer!(move || assert_eq!(number, 1));
    number += 1;
    assert_eq!(number, 2);

    let shared = Mutex::new(());
    let guard = shared.lock().unwrap();
    {
        defer!(move || drop(guard));
    }
    assert!(shared.try_lock().is_ok());
}
