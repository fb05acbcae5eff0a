#[mco::test]
fn works<T: Default>() {
    T::default();
}

fn main() {}
