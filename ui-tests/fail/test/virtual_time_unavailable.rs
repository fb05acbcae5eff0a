#[mco::test(virtual_time = true)]
fn works() {}

fn main() {}
