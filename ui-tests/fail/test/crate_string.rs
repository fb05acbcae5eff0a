#[mco::test(crate = "mco")]
fn works() {}

fn main() {}
