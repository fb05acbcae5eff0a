use mco::go;

fn main() {
    go!("name", 65_536, || 1);
}
