// go!(handle::<u32>(connection, 5, move |x| x + 1))

fn here() {
    ::mco::coroutine::spawn(move || handle::<u32>(connection, 5, move |x| x + 1))
}
