use mco::go;

fn work(_: &str) {}

fn main() {
    let name = String::from("name");
    go!(work(&name));
}
