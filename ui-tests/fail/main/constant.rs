#[mco::main]
const MAIN: u32 = 1;

fn main() {
    let _ = MAIN;
}
