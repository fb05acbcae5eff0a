use mco::go;

fn main() {
    go! { println!("one"); }
    println!("two");
}
