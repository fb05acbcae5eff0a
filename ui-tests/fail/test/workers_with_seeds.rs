#[mco::test(seeds = 100, workers = 2)]
fn works() {}

fn main() {}
