use mco::{co, spawn};

fn main() {
    co!(|number| number);
    spawn!();
    spawn!("name", |number| number);
}
