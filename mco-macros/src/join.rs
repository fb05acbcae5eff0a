//! `join!`: expressions, all evaluated at once.
//!
//! ```text
//! ::mco::private::join::all(|joint| {
//!     let handle0 = joint.spawn(|| a());
//!     let handle1 = joint.spawn(|| b());
//!     match (handle0.join(), handle1.join()) {
//!         (Ok(value0), Ok(value1)) => (value0, value1),
//!         (value0, value1) => joint.pass_on([value0.err(), value1.err()]),
//!     }
//! })
//! ```

use crate::error::{self, Faults};
use crate::krate::Krate;
use crate::work::{Code, Input, at, no_future, no_return, peeled};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Expr;

const NAME: &str = "join";

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    syn::parse2(input)
        .and_then(Join::new)
        .map_or_else(|error| error::block(&error), ToTokens::into_token_stream)
}

/// A valid `join!`.
struct Join {
    krate: Krate,
    operands: Vec<Expr>,
}

impl Join {
    fn new(Input { krate, code }: Input) -> syn::Result<Self> {
        let mut faults = Faults::default();
        krate.check(|path| format!("{NAME}!(crate = {path}, ..)"), &mut faults);
        let operands = match code {
            Code::Operands(operands) => operands,
            Code::Statements(statements) => {
                let message =
                    "`join!` takes expressions: put statements in blocks, `join!({ .. }, { .. })`";
                return Err(syn::Error::new_spanned(statements, message));
            }
        };
        operands.iter().for_each(|operand| check(operand, &mut faults));
        faults.finish().map(|()| Self { krate, operands })
    }
}

/// Finds what would not be run.
fn check(operand: &Expr, faults: &mut Faults) {
    let future = || no_future(NAME, "join!(mco::block_on(..), ..)");
    match peeled(operand) {
        Expr::Async(block) => faults.add(block.async_token, future()),
        Expr::Await(operation) => faults.add(operation.await_token, future()),
        Expr::Try(operation) => {
            let remedy = "apply it to the result, `let (a, b) = join!(..); a?; b?;`";
            faults.add(operation.question_token, no_return(NAME, remedy));
        }
        Expr::Closure(closure) => {
            faults
                .add(closure, "`join!` calls no closure: write what it does, `join!(a(), { .. })`");
        }
        _ => {}
    }
}

impl ToTokens for Join {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { krate, operands } = self;
        let here = Span::mixed_site();
        if operands.is_empty() {
            tokens.extend(quote_spanned!(here=> ()));
            return;
        }
        let closures = operands.iter().map(|operand| {
            let head = quote_spanned!(at(operand)=> ||);
            quote!(#head #operand)
        });
        let names = |prefix| -> Vec<Ident> {
            let numbers = 0..operands.len();
            numbers.map(|number| format_ident!("{prefix}{number}", span = here)).collect()
        };
        let (handles, values) = (names("handle"), names("value"));
        tokens.extend(quote_spanned! {here=>
            #krate::private::join::all(|joint| {
                #(let #handles = joint.spawn(#closures);)*
                match (#(#handles.join(),)*) {
                    (#(::core::result::Result::Ok(#values),)*) => (#(#values,)*),
                    (#(#values,)*) => joint.pass_on([#(#values.err()),*]),
                }
            })
        });
    }
}
