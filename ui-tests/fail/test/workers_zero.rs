#[mco::test(workers = 0)]
fn works() {}

fn main() {}
