#[mco::test(timeout = std::time::Duration::from_secs(5))]
fn works() {}

fn main() {}
