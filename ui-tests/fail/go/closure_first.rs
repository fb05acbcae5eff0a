use mco::go;

fn main() {
    go!(|| 1, "name");
}
