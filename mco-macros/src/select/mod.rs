//! `select!`: of several operations the one that can happen first.
//!
//! ```text
//! {
//!     enum __Selected<A0, A1> { B0(A0), B1(A1) }
//!     let chosen = {
//!         let mut operation0 = pin!(..);
//!         let mut operation1 = pin!(..);
//!         let mut enabled = [true, guard];
//!         loop {
//!             match run(&mut [operation0.as_mut(), operation1.as_mut()], &mut enabled, mode) {
//!                 0 => match operation0.as_mut().output() {
//!                     Ok(value) => break __Selected::B0((value,)),
//!                     _ => enabled[0] = false,
//!                 },
//!                 ..
//!             }
//!         }
//!     };
//!     match chosen { __Selected::B0((value,)) => body, .. }
//! }
//! ```
//!
//! The enum carries what the chosen arm's pattern binds out of the hidden loop: all borrows of the operations have
//! ended before a body runs, and in the body `return`, `break`, `continue` and `?` mean what they mean around it.
//!
//! `parse` reads the branches, `validate` sorts them into operations and arms, `operation` knows which operations the
//! runtime waits for itself, `pattern` what a pattern binds, and `expand` writes the code.

mod expand;
mod operation;
mod parse;
mod pattern;
mod validate;

use crate::error::{self, Faults};
use proc_macro2::TokenStream;
use quote::ToTokens;
use validate::Select;

const NAME: &str = "select";

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let input = parse::parse(input, &mut faults);
    let select = Select::new(input, &mut faults);
    match faults.finish() {
        Ok(()) => select.to_token_stream(),
        Err(error) => error::block(&error),
    }
}
