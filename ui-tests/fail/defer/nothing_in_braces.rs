use mco::defer;

fn main() {
    defer! {}
}
