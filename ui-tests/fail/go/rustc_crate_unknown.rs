use mco::go;

fn main() {
    go!(crate = nowhere, || 1);
}
