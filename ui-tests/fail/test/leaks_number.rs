#[mco::test(leaks = 1)]
fn works() {}

fn main() {}
