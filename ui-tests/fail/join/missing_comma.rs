use mco::join;

fn main() {
    join!(1 + 1 2);
}
