#[mco::main(crate = "mco")]
fn main() {}
