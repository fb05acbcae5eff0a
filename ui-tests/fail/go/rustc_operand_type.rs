use mco::go;

fn work(number: u32, text: String) {
    println!("{number}{text}");
}

fn main() {
    let list = vec![1];
    go!(work(list.len(), String::new()));
}
