use mco::join;

fn work() {}

fn main() {
    join!(|| 1, async { 2 }, work()?);
}
