#[mco::main(wrokers = 4)]
fn main() {}
