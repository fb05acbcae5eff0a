use mco::go;

fn main() {
    let number = 5;
    go!(number);
}
