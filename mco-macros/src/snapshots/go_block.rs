// go!({ first(); second() })

fn here() {
    ::mco::coroutine::spawn(move || {
        first();
        second()
    })
}
