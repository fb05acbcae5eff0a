#[mco::main]
fn main(arguments: Vec<String>, more: usize) {
    drop((arguments, more));
}
