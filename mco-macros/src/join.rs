//! `join!`: expressions, all evaluated at once.
//!
//! ```text
//! ::mco::macro_support::join::all(|joint| {
//!     let handle0 = joint.spawn(|| a());
//!     let handle1 = joint.spawn(|| b());
//!     match (handle0.join(), handle1.join()) {
//!         (Ok(value0), Ok(value1)) => (value0, value1),
//!         (value0, value1) => joint.pass_on([joint.failure(value0), joint.failure(value1)]),
//!     }
//! })
//! ```

use crate::error::{self, Faults};
use crate::input::{Remedies, at, has_semicolon, operands};
use crate::krate::Krate;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::Expr;
use syn::parse::{Parse, ParseStream};

const NAME: &str = "join";

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    syn::parse2(input)
        .and_then(Join::check)
        .map_or_else(|error| error::block(&error), ToTokens::into_token_stream)
}

struct Join {
    krate: Krate,
    operands: Vec<Expr>,
}

impl Parse for Join {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let krate = Krate::parse_leading(input)?;
        if has_semicolon(input) {
            let message =
                "`join!` takes expressions: put statements in blocks, `join!({ .. }, { .. })`";
            return Err(syn::Error::new_spanned(input.parse::<TokenStream>()?, message));
        }
        Ok(Self { krate, operands: operands(input, "")? })
    }
}

impl Join {
    fn check(self) -> syn::Result<Self> {
        let mut faults = Faults::default();
        self.krate.check(|path| format!("{NAME}!(crate = {path}, ..)"), &mut faults);
        self.operands.iter().for_each(|operand| REMEDIES.check(operand, &mut faults));
        faults.finish().map(|()| self)
    }
}

const REMEDIES: Remedies = Remedies {
    name: NAME,
    future: "join!(mco::block_on(..), ..)",
    question_mark: "apply it to the result, `let (a, b) = join!(..); a?; b?;`",
    leaving: "do so with the results",
    closure: "write what it does, `join!(a(), { .. })`",
};

impl ToTokens for Join {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { krate, operands } = self;
        let here = Span::mixed_site();
        if operands.is_empty() {
            tokens.extend(quote_spanned!(here=> ()));
            return;
        }
        let spawns = operands.iter().map(|operand| {
            // Here the compiler says what may not go to a coroutine.
            let place = at(operand);
            let head = quote_spanned!(place=> ||);
            quote_spanned!(place=> joint.spawn(#head #operand))
        });
        let names = |prefix| -> Vec<Ident> {
            let numbers = 0..operands.len();
            numbers.map(|number| format_ident!("{prefix}{number}", span = here)).collect()
        };
        let (handles, values) = (names("handle"), names("value"));
        tokens.extend(quote_spanned! {here=>
            #krate::macro_support::join::all(|joint| {
                #(let #handles = #spawns;)*
                match (#(#handles.join(),)*) {
                    (#(::core::result::Result::Ok(#values),)*) => (#(#values,)*),
                    (#(#values,)*) => joint.pass_on([#(joint.failure(#values)),*]),
                }
            })
        });
    }
}
