use mco::go;

fn work(number: u32, text: String) {
    println!("{number}{text}");
}

fn main() {
    go!(work(1));
}
