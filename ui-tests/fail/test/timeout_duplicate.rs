#[mco::test(timeout = "5s", timeout = "5s")]
fn works() {}

fn main() {}
