use mco::go;

fn main() {
    go!(crate = mco, crate = mco, || 1);
}
