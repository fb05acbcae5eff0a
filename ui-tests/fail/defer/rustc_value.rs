use mco::defer;

fn main() {
    defer!("1".parse::<u32>());
}
