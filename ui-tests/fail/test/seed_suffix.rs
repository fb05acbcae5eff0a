#[mco::test(seed = 7usize)]
fn works() {}

fn main() {}
