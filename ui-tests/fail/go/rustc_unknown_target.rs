use mco::go;

fn main() {
    go!('c', || 1);
}
