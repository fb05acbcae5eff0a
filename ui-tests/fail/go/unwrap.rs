use mco::go;

fn work(number: u32) -> Option<u32> {
    Some(number)
}

fn main() {
    go!(work(1).unwrap());
}
