use mco::select;

async fn work() {}

fn main() {
    select! {
        value = work().await => drop(value),
    }
}
