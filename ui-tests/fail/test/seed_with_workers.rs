#[mco::test(workers = 2, seed = 7)]
fn works() {}

fn main() {}
