use mco::{chan, select};

fn main() {
    let (_sender, receiver) = chan!(u32, 1);
    select! {
        biased;
        biased;
        value = receiver.recv() => drop(value),
    }
}
