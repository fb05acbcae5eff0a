use mco::go;

fn main() {
    go!(async { 1 });
}
