#[mco::main(workers = 4.5)]
fn main() {}
