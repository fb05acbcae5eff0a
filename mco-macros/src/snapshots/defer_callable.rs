// defer!(close)

fn here() {
    let _guard = ::mco::std::defer::Guard::new(|| { close() });
}
