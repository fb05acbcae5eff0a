#[mco::test(start_paused = true)]
fn works() {}

fn main() {}
