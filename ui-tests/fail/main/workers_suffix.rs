#[mco::main(workers = 4i32)]
fn main() {}
