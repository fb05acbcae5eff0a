#[mco::test(workers = "4")]
fn works() {}

fn main() {}
