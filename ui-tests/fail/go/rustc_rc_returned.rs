use mco::go;
use std::rc::Rc;

fn main() {
    go!(|| Rc::new(1));
}
