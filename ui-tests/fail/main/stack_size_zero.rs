#[mco::main(stack_size = 0x0)]
fn main() {}
