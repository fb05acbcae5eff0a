#[mco::main(workers = 4 stack_size = 65_536)]
fn main() {}
