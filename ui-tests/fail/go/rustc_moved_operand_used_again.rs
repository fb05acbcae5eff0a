use mco::go;

fn work(number: u32, text: String) {
    println!("{number}{text}");
}

fn main() {
    let text = String::new();
    go!(work(1, text));
    println!("{text}");
}
