#[mco::main]
fn main() -> String {
    String::new()
}
