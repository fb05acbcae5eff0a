// go!(crate = rt, || work(1))

fn here() {
    rt::coroutine::spawn(|| work(1))
}
