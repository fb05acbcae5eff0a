#[mco::main]
fn main();
