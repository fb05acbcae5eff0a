use mco::join;

fn main() {
    join!(|| 1, 2);
}
