#[mco::test(timeout = "5 sec")]
fn works() {}

fn main() {}
