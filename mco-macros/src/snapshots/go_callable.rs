// go!(task)

fn here() {
    ::mco::coroutine::spawn(task)
}
