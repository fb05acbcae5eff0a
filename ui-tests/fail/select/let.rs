use mco::{chan, select};

fn main() {
    let (_sender, receiver) = chan!(u32, 1);
    select! {
        let value = receiver.recv() => drop(value),
    }
}
