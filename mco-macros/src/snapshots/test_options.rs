// #[mco::test(workers = 2, timeout = "1.5s", virtual_time = true, leaks = true)]
// fn works() -> Result<(), Error> { body() }

#[::core::prelude::v1::test]
fn works() -> impl ::std::process::Termination {
    fn works() -> Result<(), Error> {
        body()
    }
    ::mco::private::test::<
        Result<(), Error>,
    >(
        ::mco::private::TestOptions::new(
                ::core::concat!(::core::module_path!(), "::", "works"),
            )
            .workers(2)
            .timeout_ms(1500u64)
            .virtual_time(true)
            .leaks(true),
        works,
    )
}
