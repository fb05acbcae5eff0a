//! A target comes before what to run, in each of its forms, and is evaluated first.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::coroutine::{Builder, scope};
use mco::go;

fn work(number: usize, text: &str) -> usize {
    number + text.len()
}

fn main() {
    assert_eq!(go!("name", || 1).join().unwrap(), 1);
    assert_eq!(go!(String::from("name"), || 2).join().unwrap(), 2);
    assert_eq!(go!(64 * 1024_usize, || 3).join().unwrap(), 3);
    assert_eq!(go!(65_536_i32, || 4).join().unwrap(), 4);
    assert_eq!(go!(("name", 64 * 1024_usize), || 5).join().unwrap(), 5);
    let builder = Builder::new().name("name").stack_size(64 * 1024);
    assert_eq!(go!(builder, || 6).join().unwrap(), 6);

    assert_eq!(go!("call", work(1, "ab")).join().unwrap(), 3);
    assert_eq!(go!("call", work(1 + 1, "ab")).join().unwrap(), 4);
    assert_eq!(go!("method", "text".len()).join().unwrap(), 4);
    assert_eq!(go!("block", { 7 }).join().unwrap(), 7);
    go!("macro", println!("8")).join().unwrap();
    let task = || 9;
    assert_eq!(go!("callable", task).join().unwrap(), 9);

    let mut order = Vec::new();
    go!({ order.push(1); "target" }, work({ order.push(2); 0 }, "")).join().unwrap();
    assert_eq!(order, [1, 2]);

    let words = [String::from("one"), String::from("two")];
    let mut total = 0;
    scope(|s| {
        let length = go!(s, || words[0].len());
        let sum = go!(s, work(1, &words[1]));
        go!(s, || total += words.len());
        assert_eq!(length.join().unwrap() + sum.join().unwrap(), 7);
    });
    assert_eq!((total, words.len()), (2, 2));
}
