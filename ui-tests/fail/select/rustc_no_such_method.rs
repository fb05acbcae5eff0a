use mco::select;

fn main() {
    let number = 5;
    select! {
        value = number.recv() => drop(value),
    }
}
