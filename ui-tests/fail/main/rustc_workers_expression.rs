#[mco::main(workers = NAME.trim())]
fn main() {}

const NAME: &str = "4";
