use mco::join;

async fn work() {}

fn main() {
    join!(work().await, 2);
}
