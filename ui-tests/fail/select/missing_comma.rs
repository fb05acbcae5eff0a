use mco::{chan, select};

fn main() {
    let (_sender, receiver) = chan!(u32, 1);
    select! {
        value = receiver.recv() => drop(value)
        default => {}
    }
}
