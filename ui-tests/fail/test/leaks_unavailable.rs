#[mco::test(leaks = cfg!(debug_assertions))]
fn works() {}

fn main() {}
