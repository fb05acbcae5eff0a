use mco::join;

fn main() {
    join!(return, 2);
}
