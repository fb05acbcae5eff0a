#[mco::test]
extern "C" fn works() {}

fn main() {}
