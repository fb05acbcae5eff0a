#[mco::main(crate = 5)]
fn main() {}
