use mco::defer;

fn first() {}
fn second() {}

fn main() {
    defer!(first(), second());
}
