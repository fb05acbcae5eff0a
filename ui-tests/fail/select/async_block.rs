use mco::select;

fn main() {
    select! {
        value = async { 5 } => drop(value),
    }
}
