// defer!(close(file))

fn here() {
    let _guard = ::mco::std::defer::Guard::new(|| { close(file) });
}
