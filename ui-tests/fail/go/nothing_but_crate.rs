use mco::go;

fn main() {
    go!(crate = mco);
}
