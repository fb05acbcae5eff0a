#[mco::main(crate)]
fn main() {}
