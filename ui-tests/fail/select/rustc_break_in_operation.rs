use mco::select;

fn main() {
    loop {
        select! {
            _ = { break } => {}
        }
    }
}
