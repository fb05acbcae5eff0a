use mco::go;

fn main() {
    go!("name" move || 1);
}
