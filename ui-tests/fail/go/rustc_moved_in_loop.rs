use mco::go;

fn work(number: u32, text: String) {
    println!("{number}{text}");
}

fn main() {
    let text = String::new();
    for number in 0..3 {
        go!(work(number + 1, text));
    }
}
