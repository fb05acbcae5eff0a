//! What is called may be any expression; unless it is a path, it is an operand.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::go;

fn counter(start: u32) -> impl FnMut(u32) -> u32 {
    let mut count = start;
    move |step| {
        count += step;
        count
    }
}

struct Handlers {
    list: Vec<fn(&str) -> usize>,
    boxed: Box<dyn FnOnce(&str) -> usize + Send>,
}

fn main() {
    assert_eq!(go!(counter(1)(2)).join().unwrap(), 3);
    assert_eq!(go!((|number: u32| number + 1)(2)).join().unwrap(), 3);

    let handlers = Handlers { list: vec![str::len], boxed: Box::new(str::len) };
    assert_eq!(go!((handlers.list[0])("ab")).join().unwrap(), 2);
    assert_eq!(go!(handlers.list[0]("ab")).join().unwrap(), 2);
    assert_eq!(go!((handlers.boxed)("abc")).join().unwrap(), 3);

    let local = |number: u32, text: String| number as usize + text.len();
    assert_eq!(go!(local(1, "a".to_owned() + "b")).join().unwrap(), 3);
}
