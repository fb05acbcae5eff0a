#[mco::main]
unsafe fn main() {}
