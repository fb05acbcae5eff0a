#[mco::test]
const fn works() {}

fn main() {}
