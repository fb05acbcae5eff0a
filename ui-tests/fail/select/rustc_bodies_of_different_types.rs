use mco::{chan, select};

fn main() {
    let (_sender, receiver) = chan!(u32, 1);
    let _ = select! {
        value = receiver.recv() => value.unwrap(),
        default => "none",
    };
}
