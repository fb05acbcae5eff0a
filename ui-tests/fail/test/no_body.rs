#[mco::test]
fn works();

fn main() {}
