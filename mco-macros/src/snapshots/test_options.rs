// #[mco::test(workers = 2, timeout = "1.5s", virtual_time = true, leaks = true)]
// fn works() -> Result<(), Error> { body() }

#[::core::prelude::v1::test]
fn works() -> impl ::std::process::Termination {
    fn works() -> Result<(), Error> {
        body()
    }
    ::mco::macro_support::test::<
        Result<(), Error>,
    >(
        ::mco::macro_support::TestOptions::new(
                ::core::concat!(::core::module_path!(), "::", "works"),
            )
            .workers(2)
            .timeout_ms(1500u64)
            .virtual_time(true)
            .leaks(true),
        works,
    )
}
