// go!("worker", || work(1))

fn here() {
    ::mco::coroutine::Spawn::spawn_on("worker", || work(1))
}
