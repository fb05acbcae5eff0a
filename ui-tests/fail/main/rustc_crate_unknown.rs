#[mco::main(crate = nowhere)]
fn main() {}
