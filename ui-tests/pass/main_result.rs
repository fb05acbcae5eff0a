//! `main` with a result, whose error need not be `Send`.
#![forbid(unsafe_code)]
#![deny(warnings)]

use std::error::Error;

#[mco::main(workers = 2, stack_size = 262_144)]
fn main() -> Result<(), Box<dyn Error>> {
    let number: u32 = "42".parse()?;
    if number != 42 {
        return Err("not the answer".into());
    }
    Ok(())
}
