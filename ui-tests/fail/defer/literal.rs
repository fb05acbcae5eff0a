use mco::defer;

fn main() {
    defer!(5);
}
