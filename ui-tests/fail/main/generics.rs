#[mco::main]
fn main<'a, T: 'a>() {}
