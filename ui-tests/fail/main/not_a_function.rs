#[mco::main]
/// Documented.
pub struct Main;

fn main() {
    let _ = Main;
}
