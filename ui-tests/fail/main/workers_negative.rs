#[mco::main(workers = -1)]
fn main() {}
