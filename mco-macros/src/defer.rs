//! `defer!`: something to run when the scope ends, in whatever way it ends.

use crate::error::{self, Faults};
use crate::input::{Code, Input, Work, at};
use crate::krate::Krate;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::token::Paren;
use syn::{Expr, ExprCall};

const NAME: &str = "defer";

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    syn::parse2(input)
        .and_then(Defer::new)
        .map_or_else(|error| error::block(&error), ToTokens::into_token_stream)
}

/// A valid `defer!`.
struct Defer {
    krate: Krate,
    work: Work,
}

impl Defer {
    fn new(Input { krate, code }: Input) -> syn::Result<Self> {
        let mut faults = Faults::default();
        krate.check(|path| format!("{NAME}!(crate = {path}, ..)"), &mut faults);
        let work = match code {
            Code::Statements(statements) => Work::statements(&statements),
            Code::Operands(operands) => {
                let mut operands = operands.into_iter();
                let Some(first) = operands.next() else {
                    let message = "`defer!` needs something to run: `defer! { .. }`, `defer!(call(x))` or `defer!(|| ..)`";
                    return Err(syn::Error::new(Span::call_site(), message));
                };
                if let Some(second) = operands.next() {
                    faults.add(
                        second,
                        "`defer!` takes one thing to run: use a second `defer!`, or a block",
                    );
                }
                Work::new(first, NAME, &mut faults)
            }
        };
        faults.finish().map(|()| Self { krate, work })
    }
}

impl ToTokens for Defer {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { krate, work } = self;
        let closure = match work {
            Work::Closure(closure) => closure.to_token_stream(),
            Work::Block(block) => {
                let head = quote_spanned!(at(block)=> ||);
                quote!(#head #block)
            }
            Work::Call(call) => deferred(call),
            Work::MethodCall(call) => deferred(call),
            Work::Callable(value) => deferred(&call_of(value)),
        };
        // The name is ours alone: the guards of one scope do not clash, and no user code can touch them.
        tokens.extend(quote_spanned!(Span::mixed_site()=> let _guard = #krate::std::defer::Guard::new(#closure);));
    }
}

/// An expression as a closure that captures what it uses the way closures do.
fn deferred(expr: &impl ToTokens) -> TokenStream {
    let head = quote_spanned!(at(expr)=> ||);
    quote_spanned!(Span::mixed_site()=> #head { #expr })
}

/// The call of something that can be called.
fn call_of(value: &Expr) -> ExprCall {
    ExprCall {
        attrs: Vec::new(),
        func: Box::new(value.clone()),
        paren_token: Paren(at(value)),
        args: Punctuated::new(),
    }
}
