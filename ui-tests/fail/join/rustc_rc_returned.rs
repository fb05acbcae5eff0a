use mco::join;

fn main() {
    join!(std::rc::Rc::new(5), 2);
}
