#[mco::test(timeout = "5")]
fn works() {}

fn main() {}
