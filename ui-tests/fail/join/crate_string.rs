use mco::join;

fn main() {
    join!(crate = "mco", 1);
}
