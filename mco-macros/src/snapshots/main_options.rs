// #[mco::main(crate = rt, workers = 4, stack_size = 64 * KIB)]
// #[allow(unused)]
// pub fn main() -> Result<(), Error> { body()?; Ok(()) }

#[allow(unused)]
pub fn main() -> impl ::std::process::Termination {
    fn main() -> Result<(), Error> {
        body()?;
        Ok(())
    }
    rt::macro_support::main::<
        Result<(), Error>,
    >(rt::macro_support::MainOptions::new().workers(4).stack_size(64 * KIB), main)
}
