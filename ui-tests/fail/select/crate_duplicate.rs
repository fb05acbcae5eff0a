use mco::select;

fn main() {
    select! {
        crate = mco;
        crate = mco;
        _ = { 5 } => {}
    }
}
