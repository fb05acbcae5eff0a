#[mco::test(seeds = 0)]
fn works() {}

fn main() {}
