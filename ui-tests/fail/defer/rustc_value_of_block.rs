use mco::defer;

fn main() {
    defer! {
        println!("bye");
        "1".len()
    }
}
