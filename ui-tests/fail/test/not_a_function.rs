#[mco::test]
mod works {}

fn main() {}
