use mco::go;

fn main() {
    go!("name", format!("1").parse::<u32>().expect("a number"));
}
