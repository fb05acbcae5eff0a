// go!(println!("{}", name))

fn here() {
    ::mco::coroutine::spawn(move || { println!("{}", name) })
}
