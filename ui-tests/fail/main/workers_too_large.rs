#[mco::main(workers = 100_000_000_000_000_000_000)]
fn main() {}
