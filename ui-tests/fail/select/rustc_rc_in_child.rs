use mco::select;

fn main() {
    let number = std::rc::Rc::new(5);
    select! {
        value = { *number } => drop(value),
    }
}
