// defer!(first(); second();)

fn here() {
    let _guard = ::mco::std::defer::Guard::new(|| {
        first();
        second();
    });
}
