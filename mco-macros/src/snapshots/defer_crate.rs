// defer!(crate = rt, close(file))

fn here() {
    let _guard = rt::std::defer::Guard::new(|| { close(file) });
}
