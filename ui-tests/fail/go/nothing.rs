use mco::go;

fn main() {
    go!();
}
