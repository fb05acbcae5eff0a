#[mco::test(seeds = true)]
fn works() {}

fn main() {}
