#[mco::test(deadlock = 0)]
fn works() {}

fn main() {}
