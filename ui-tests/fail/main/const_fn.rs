#[mco::main]
const fn main() {
    println!("a `const fn` could not do this, but one error is enough");
}
