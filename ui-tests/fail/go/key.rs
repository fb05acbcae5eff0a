use mco::go;

fn main() {
    go!(name = "name", || 1);
}
