use mco::join;

fn main() {
    join!(crate = mco, crate = mco, 1);
}
