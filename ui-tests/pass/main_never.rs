//! `main` that does not return.
#![forbid(unsafe_code)]
#![deny(warnings)]

#[mco::main]
fn main() -> ! {
    std::process::exit(0)
}
