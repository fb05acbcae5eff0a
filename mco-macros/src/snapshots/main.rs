// #[mco::main()]
// /// Starts here.
// fn main() { body(); }

/// Starts here.
fn main() {
    fn main() {
        body();
    }
    ::mco::private::main(::mco::private::MainOptions::new(), main)
}
