#[mco::main(timeout = "5s")]
fn main() {}
