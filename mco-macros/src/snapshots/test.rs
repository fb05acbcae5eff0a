// #[mco::test()]
// #[should_panic]
// fn works() { body(); }

#[should_panic]
#[::core::prelude::v1::test]
fn works() {
    fn works() {
        body();
    }
    ::mco::macro_support::test(
        ::mco::macro_support::TestOptions::new(
            ::core::concat!(::core::module_path!(), "::", "works"),
        ),
        works,
    );
}
