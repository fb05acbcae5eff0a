#[mco::main(4)]
fn main() {}
