#[mco::test(seed = -7)]
fn works() {}

fn main() {}
