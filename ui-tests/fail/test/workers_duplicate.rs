#[mco::test(workers = 2, workers = 4)]
fn works() {}

fn main() {}
