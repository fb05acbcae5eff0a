use mco::select;

fn main() {
    select! {
        _ = mco::coroutine::sleep(5) => {}
    }
}
