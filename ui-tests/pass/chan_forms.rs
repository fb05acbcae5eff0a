//! Every form of `chan!`, in and out of other macros.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::chan;
use mco::std::sync::{Receiver, Sender};
use std::collections::HashMap;

mod facade {
    pub use mco as rt;
}

macro_rules! channel_of {
    ($type:ty, $capacity:expr) => {
        chan!($type, $capacity)
    };
    ($capacity:expr) => {
        chan!($capacity)
    };
}

const SIZE: usize = 2;

fn generic<T: Clone + Send>(value: &T) -> Option<T> {
    let (sender, receiver) = chan!(T, 1);
    sender.send(value.clone()).ok()?;
    receiver.recv().ok()
}

#[mco::main]
fn main() {
    let (sender, receiver): (Sender<u32>, Receiver<u32>) = chan!();
    assert_eq!((sender.capacity(), receiver.capacity()), (None, None));

    let size = 3;
    let (sender, _receiver): (Sender<u32>, Receiver<u32>) = chan!(size + SIZE * 2);
    assert_eq!(sender.capacity(), Some(7));
    assert_eq!((chan!((size + 1) * 2,) as (Sender<u8>, _)).0.capacity(), Some(8));
    assert_eq!((chan!(usize::from(2u8)) as (Sender<u8>, _)).0.capacity(), Some(2));
    assert_eq!((chan!({ 4 }) as (Sender<u8>, _)).0.capacity(), Some(4));

    assert_eq!(chan!(String, 0).0.capacity(), Some(0));
    assert_eq!(chan!(Vec<u8>, SIZE,).0.capacity(), Some(2));
    assert_eq!(
        chan!(HashMap<String, Box<dyn Fn(u8, u8) -> u8 + Send>>, size - 2).0.capacity(),
        Some(1)
    );
    assert_eq!(chan!((u8, [u8; 2]), 1).0.capacity(), Some(1));
    assert_eq!(chan!(&'static str, 1).0.capacity(), Some(1));
    assert_eq!(chan!(fn(u8) -> u8, 1).0.capacity(), Some(1));
    assert_eq!(chan!(<Vec<u8> as IntoIterator>::Item, 1).0.capacity(), Some(1));
    assert_eq!(channel_of!(Vec<u8>, size * 2).0.capacity(), Some(6));
    assert_eq!((channel_of!(size * 2) as (Sender<u8>, _)).0.capacity(), Some(6));
    assert_eq!(facade::rt::chan!(u8, 1).0.capacity(), Some(1));
    assert_eq!(generic(&"x"), Some("x"));

    // A type alone: unbounded.
    assert_eq!(chan!(i32).0.capacity(), None);
    assert_eq!(chan!(usize,).0.capacity(), None);
    assert_eq!(chan!(String).0.capacity(), None);
    assert_eq!(chan!(std::string::String).0.capacity(), None);
    assert_eq!(chan!(Vec<u8>).0.capacity(), None);
    assert_eq!(chan!(HashMap<String, u8>).0.capacity(), None);
    assert_eq!(chan!(()).0.capacity(), None);
    assert_eq!(chan!((u8, String)).0.capacity(), None);
    assert_eq!(chan!([u8; SIZE]).0.capacity(), None);
    assert_eq!(chan!(&'static str).0.capacity(), None);
    assert_eq!(chan!(Box<dyn FnOnce() + Send>).0.capacity(), None);
    assert_eq!(chan!(fn(u8) -> u8).0.capacity(), None);
    // No type: a constant, a variable, an associated constant.
    assert_eq!((chan!(SIZE) as (Sender<u8>, _)).0.capacity(), Some(2));
    assert_eq!((chan!(size) as (Sender<u8>, _)).0.capacity(), Some(3));
    assert_eq!((chan!(u8::MAX as usize) as (Sender<u8>, _)).0.capacity(), Some(255));
    assert_eq!((chan!(std::cmp::max::<usize>(1, 2)) as (Sender<u8>, _)).0.capacity(), Some(2));
}
