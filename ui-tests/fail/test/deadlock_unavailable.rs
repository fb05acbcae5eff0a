#[mco::test(deadlock = false)]
fn works() {}

fn main() {}
