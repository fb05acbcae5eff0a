use mco::go;

fn main() {
    go!("name", move |one: u32, two: u32| one + two);
}
