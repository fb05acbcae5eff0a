// #[mco::test()]
// #[should_panic]
// fn works() { body(); }

#[should_panic]
#[::core::prelude::v1::test]
fn works() {
    fn works() {
        body();
    }
    ::mco::private::test(
        ::mco::private::TestOptions::new(
            ::core::concat!(::core::module_path!(), "::", "works"),
        ),
        works,
    );
}
