#[mco::main(workers =, stack_size = 65_536)]
fn main() {}
