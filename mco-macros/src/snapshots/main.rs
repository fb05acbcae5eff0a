// #[mco::main()]
// /// Starts here.
// fn main() { body(); }

/// Starts here.
fn main() -> impl ::std::process::Termination {
    fn main() {
        body();
    }
    ::mco::macro_support::main(::mco::macro_support::MainOptions::new(), main)
}
