#[mco::test(timeout = "0.5ms")]
fn works() {}

fn main() {}
