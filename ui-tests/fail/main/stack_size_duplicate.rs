#[mco::main(stack_size = 65_536, workers = 1, stack_size = 65_536)]
fn main() {}
