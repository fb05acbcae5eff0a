#[mco::test]
unsafe fn works() {}

fn main() {}
