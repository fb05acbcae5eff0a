use mco::go;

fn main() {
    go!(String::new().wrok(1));
}
