use mco::join;

fn main() {
    let number = std::rc::Rc::new(5);
    join!(*number, 2);
}
