#[mco::main]
fn main() -> Result<(), std::io::Error> {
    println!("no `Ok` follows");
}
