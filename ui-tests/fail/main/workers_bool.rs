#[mco::main(workers = true)]
fn main() {}
