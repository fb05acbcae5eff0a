#[mco::test(seeds = 100)]
fn works() {}

fn main() {}
