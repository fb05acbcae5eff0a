use mco::{chan, select};

fn main() {
    let (sender, _receiver) = chan!(String, 1);
    select! {
        _ = sender.send(5) => {}
    }
}
