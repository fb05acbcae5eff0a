#[mco::test(timeout = "1000000000000m")]
fn works() {}

fn main() {}
