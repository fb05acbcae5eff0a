use mco::go;

fn first() {}
fn second() {}

fn main() {
    go!("name", first(); second());
}
