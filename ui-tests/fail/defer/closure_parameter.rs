use mco::defer;

fn main() {
    defer!(|number: u32| println!("{number}"));
}
