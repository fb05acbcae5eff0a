// #[mco::main()]
// /// Starts here.
// fn main() { body(); }

/// Starts here.
fn main() -> impl ::std::process::Termination {
    fn main() {
        body();
    }
    ::mco::private::main(::mco::private::MainOptions::new(), main)
}
