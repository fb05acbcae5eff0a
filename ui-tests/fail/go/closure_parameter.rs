use mco::go;

fn main() {
    go!(|number| number + 1);
}
