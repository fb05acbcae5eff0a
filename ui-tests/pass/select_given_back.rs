//! What a `select!` has not sent is there for the other arms.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::select;
use mco::std::sync::channel::{bounded, unbounded};

struct NotClone(String);

fn main() {
    let (full, _receiver) = bounded::<NotClone>(0);
    let (sender, receiver) = unbounded::<NotClone>();
    let parcel = NotClone("fragile".to_owned());
    select! {
        sent = full.send(parcel) => assert!(sent.is_ok()),
        default => sender.send(parcel).map_err(|_| ()).unwrap(),
    }
    assert_eq!(receiver.recv().unwrap().0, "fragile");
}
