use mco::join;

fn main() {
    join!(async { 1 }, 2);
}
