#[mco::main]
extern "C" fn main() {}
