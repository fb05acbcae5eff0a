use mco::go;
use std::rc::Rc;

fn main() {
    let shared = Rc::new(1);
    go!(move || println!("{shared}"));
}
