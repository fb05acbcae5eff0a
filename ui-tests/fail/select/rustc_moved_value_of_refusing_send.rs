use mco::{chan, select};

fn main() {
    let (sender, receiver) = chan!(String, 1);
    let text = String::new();
    select! {
        Err(error) = sender.send(text) => drop(error),
        _ = receiver.recv() => drop(text),
    }
}
