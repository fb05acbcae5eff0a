#[mco::test(virtual = true)]
fn works() {}

fn main() {}
