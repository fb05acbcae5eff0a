use mco::go;

fn main() {
    go!(println!("{}", 1) println!("{}", 2));
}
