use mco::defer;

fn main() {
    defer! { crate = "mco", println!("bye"); }
}
