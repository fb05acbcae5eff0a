use mco::{chan, select};

fn main() {
    let (_sender, receiver) = chan!(u32, 1);
    select! {
        _ = receiver.recv() =>
    }
}
