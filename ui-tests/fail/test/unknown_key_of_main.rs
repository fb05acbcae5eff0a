#[mco::test(stack_size = 65_536)]
fn works() {}

fn main() {}
