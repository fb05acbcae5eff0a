//! In modules, generic functions, closures, methods and each other.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::coroutine::JoinHandle;
use mco::{defer, go};
use std::fmt::Display;

mod deep {
    pub mod down {
        pub fn task() -> u32 {
            super::helper()
        }

        pub fn start() -> mco::coroutine::JoinHandle<u32> {
            mco::go!(task())
        }
    }

    fn helper() -> u32 {
        mco::go!(|| 1).join().unwrap()
    }
}

fn generic<T: Display + Send + 'static>(value: T) -> JoinHandle<String> {
    fn show<T: Display>(value: T, suffix: &str) -> String {
        format!("{value}{suffix}")
    }
    go!(show::<T>(value, "!".trim()))
}

struct Wrapper<T>(T);

impl<T: Clone + Send + 'static> Wrapper<T> {
    const SIZE: usize = 65_536;

    fn get(&self) -> JoinHandle<T> {
        defer!(assert!(std::mem::size_of::<T>() < Self::SIZE));
        go!(Self::identity(self.0.clone()))
    }

    fn identity(value: T) -> T {
        value
    }
}

fn main() {
    assert_eq!(deep::down::start().join().unwrap(), 1);
    assert_eq!(generic(5).join().unwrap(), "5!");
    assert_eq!(Wrapper("x").get().join().unwrap(), "x");

    let starts: Vec<_> = (0..3).map(|n| go!(move || go!(move || n * 2).join().unwrap())).collect();
    let doubled: Vec<i32> = starts.into_iter().map(|handle| handle.join().unwrap()).collect();
    assert_eq!(doubled, [0, 2, 4]);

    let nested = go! {
        let inner = go!(generic(go!(|| 1).join().unwrap()));
        inner.join().unwrap().join().unwrap()
    };
    assert_eq!(nested.join().unwrap(), "1!");
    if nested_expression(&[go!(|| 1), go!(|| 2)]) {
        match go!(|| 3).join() {
            Ok(number) => assert_eq!(number, 3),
            Err(_) => unreachable!(),
        }
    }
}

fn nested_expression(handles: &[JoinHandle<i32>]) -> bool {
    handles.len() == 2
}
