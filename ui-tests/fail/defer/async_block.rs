use mco::defer;

fn main() {
    defer!(async { println!("never") });
}
