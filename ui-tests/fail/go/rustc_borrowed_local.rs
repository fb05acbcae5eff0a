use mco::go;

fn main() {
    let name = String::from("name");
    go!(|| println!("{name}"));
}
