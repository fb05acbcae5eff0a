// #[mco::test()]
// #[rstest]
// fn works(#[case] mut number: u32) { number += 1; }

#[rstest]
fn works(#[case] mut number: u32) {
    ::mco::private::test(
        ::mco::private::TestOptions::new(
            ::core::concat!(::core::module_path!(), "::", "works"),
        ),
        move || -> () {
            number += 1;
        },
    )
}
