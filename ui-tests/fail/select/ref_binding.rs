use mco::{chan, select};

fn main() {
    let (_sender, receiver) = chan!(u32, 1);
    select! {
        Ok(ref value) = receiver.recv() => drop(*value),
        else => {}
    }
}
