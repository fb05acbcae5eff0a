#[mco::main(workers)]
fn main() {}
