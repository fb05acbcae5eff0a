#[mco::test(timeout = "0s")]
fn works() {}

fn main() {}
