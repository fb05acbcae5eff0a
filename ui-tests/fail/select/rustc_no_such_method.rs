use mco::select;

fn main() {
    let number = 5_u32;
    select! {
        value = number.recv() => drop(value),
    }
}
