//! Names that shadow those of the language and of the standard library.
#![forbid(unsafe_code)]
#![deny(warnings)]
#![allow(clippy::wildcard_imports, dead_code, non_camel_case_types)]

mod std {}
mod core {}
mod alloc {}

mod shadows {
    pub struct Ok;
    pub struct Err;
    pub struct Some;
    pub struct None;
    pub struct Result;
    pub struct Option;
    pub struct Box;
    pub struct Vec;
    pub struct String;
    pub trait FnOnce {}
    pub trait Send {}
    pub trait Drop {}
    pub trait Default {}
    pub struct usize;
    pub struct u64;
    pub fn drop() {}
}

use shadows::*;

fn add(one: i32, two: i32) -> i32 {
    one + two
}

#[mco::main(workers = 2, stack_size = 65_536)]
fn main() {
    let mut number = 1_i32;
    {
        mco::defer!(number += 1);
        mco::defer! { drop(); }
    }
    mco::go!(|| ()).join().unwrap();
    mco::go!(add(number, number.pow(2))).join().unwrap();
    mco::go!("name", add(number, 5)).join().unwrap();
    mco::go! { add(1, 2); }.join().unwrap();
    let (sender, receiver) = mco::chan!(i32, 1);
    mco::select! {
        biased;
        _ = receiver.recv(), if number > 100 => drop(),
        result = sender.send(number) => result.unwrap(),
        number = { add(1, 2) } => assert_eq!(number, 3),
    }
    mco::select! {
        number = receiver.recv() => assert!(number.is_ok()),
        _ = mco::coroutine::sleep(::std::time::Duration::from_secs(3601)) => {}
        else => drop(),
    }
    assert_eq!(mco::join!(add(1, 2), number), (3, number));
}

#[mco::test(workers = 2, timeout = "5s")]
fn test() {}
