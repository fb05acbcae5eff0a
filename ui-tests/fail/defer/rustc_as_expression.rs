use mco::defer;

fn main() {
    let guard = defer!(println!("bye"));
}
