use mco::select;

fn main() {
    select! {
        crate = mco
        _ = { 5 } => {}
    }
}
