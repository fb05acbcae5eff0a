#[mco::main]
fn main() {
    "1".parse::<u32>()?;
}
