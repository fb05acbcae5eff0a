#[mco::test(virtual_time)]
fn works() {}

fn main() {}
