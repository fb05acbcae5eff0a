#[mco::main(crate = mco, crate = ::mco)]
fn main() {}
