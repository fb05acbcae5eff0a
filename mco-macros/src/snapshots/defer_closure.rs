// defer!(move || drop(guard))

fn here() {
    let _guard = ::mco::std::defer::Guard::new(move || drop(guard));
}
