use mco::select;

fn main() {
    select! {
        _ = return => {}
    }
}
