use mco::go;
use std::rc::Rc;

fn work(_: u32, _: Rc<u32>) {}

fn main() {
    go!(work(1, Rc::new(2)));
}
