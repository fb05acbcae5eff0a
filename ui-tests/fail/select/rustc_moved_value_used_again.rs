use mco::{chan, select};

fn main() {
    let (sender, receiver) = chan!(String, 1);
    let text = String::new();
    select! {
        _ = sender.send(text) => {}
        _ = receiver.recv() => drop(text),
    }
    println!("{text}");
}
