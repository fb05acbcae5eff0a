// go!(move || work(1))

fn here() {
    ::mco::coroutine::spawn(move || work(1))
}
