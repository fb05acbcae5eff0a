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
}

#[mco::test(workers = 2, timeout = "5s")]
fn test() {}
