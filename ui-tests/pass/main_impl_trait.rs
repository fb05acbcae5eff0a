//! `main` with whatever implements `Termination`.
#![forbid(unsafe_code)]
#![deny(warnings)]

#[mco::main(workers = 0x2, stack_size = 65_536usize)]
fn main() -> impl std::process::Termination {
    Some(1).ok_or("nothing").map(|_| ())
}
