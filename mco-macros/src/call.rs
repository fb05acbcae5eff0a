//! `go!(f(x, y))` as in Go: the operands are evaluated now, where they stand; the call runs in the coroutine.
//!
//! ```text
//! { let operands = (x.len(), y); move || f(operands.0, operands.1) }
//! ```
//!
//! What evaluates to itself stays in the call: a literal, a closure that is `move` already, the path of the function
//! or of a method's receiver, and, where no operand needs more, the paths among the operands. The `move` closure takes
//! them along, which is what evaluating a path does.

use crate::input::{at, peel, peeled};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use std::mem::replace;
use syn::punctuated::Punctuated;
use syn::token::Paren;
use syn::{Expr, ExprCall, ExprMethodCall, ExprParen, Ident, Index, Token, UnOp};

/// The closure for `f(x, y)`.
pub(crate) fn of_function(mut call: ExprCall) -> TokenStream {
    let mut operands = Operands::default();
    operands.take_subject(&mut call.func);
    operands.take_arguments(&mut call.args);
    operands.bind(&call, call.paren_token)
}

/// The closure for `receiver.f(x, y)`.
pub(crate) fn of_method(mut call: ExprMethodCall) -> TokenStream {
    let mut operands = Operands::default();
    operands.take_subject(&mut call.receiver);
    operands.take_arguments(&mut call.args);
    operands.bind(&call, call.paren_token)
}

/// Whether this is `f(x).unwrap()`, of which only the `unwrap` would run in the coroutine: nobody means that.
pub(crate) fn is_afterthought(call: &ExprMethodCall) -> bool {
    let runs =
        matches!(peeled(&call.receiver), Expr::Call(_) | Expr::MethodCall(_) | Expr::Macro(_));
    runs && (call.method == "unwrap" || call.method == "expect")
}

/// What is evaluated before anything runs elsewhere, in order.
#[derive(Default)]
pub(crate) struct Operands {
    pub(crate) values: Vec<Expr>,
    /// Whether one of them is called, or has a method called, which may want it mutable.
    acted_on: bool,
}

impl Operands {
    /// Takes what is called, a function.
    pub(crate) fn take_callee(&mut self, function: &mut Expr) {
        self.take(function);
        // `operands.0(..)` would be the call of a method.
        let place = replace(function, Expr::Verbatim(TokenStream::new()));
        *function = Expr::Paren(ExprParen {
            attrs: Vec::new(),
            paren_token: Paren(at(&place)),
            expr: Box::new(place),
        });
    }

    /// Takes what is called, or the receiver of the method.
    fn take_subject(&mut self, subject: &mut Expr) {
        if must_be_evaluated(subject) {
            self.take(subject);
            self.acted_on = true;
        }
    }

    /// Takes the arguments, if one of them must be evaluated. Then the paths among them are evaluated, too, for what
    /// comes after a path may change what the path stands for: `f(n, next(&mut n))`.
    fn take_arguments(&mut self, arguments: &mut Punctuated<Expr, Token![,]>) {
        if arguments.iter().any(must_be_evaluated) {
            for argument in arguments.iter_mut().filter(|argument| !is_constant(argument)) {
                self.take(argument);
            }
        }
    }

    /// Moves an expression out of its place and puts `operands.N` in its place, which the compiler, if it finds the
    /// type wrong, shows as the expression from its first to its last token.
    pub(crate) fn take(&mut self, expr: &mut Expr) {
        let tokens = expr.to_token_stream();
        let last =
            tokens.clone().into_iter().last().map_or_else(Span::call_site, |token| token.span());
        let name = Ident::new("operands", at(&tokens));
        let dot = Token![.](at(&tokens));
        let mut index = Index::from(self.values.len());
        index.span = Span::mixed_site().located_at(last);
        let value = replace(expr, Expr::Verbatim(quote!(#name #dot #index)));
        self.values.push(peel(value));
    }

    /// The closure that makes the call, after the operands have been evaluated. The block around both is placed at the
    /// arguments, which is where to point when one of them may not go to a coroutine.
    fn bind(&self, call: &impl ToTokens, arguments: Paren) -> TokenStream {
        let head = quote_spanned!(at(call)=> move ||);
        let values = &self.values;
        if values.is_empty() {
            return quote!(#head #call);
        }
        // Not always needed, which no lint minds: it is another crate's macro that says so.
        let mutable = self.acted_on.then(|| quote!(mut));
        let arguments = Span::mixed_site().located_at(arguments.span.join());
        quote_spanned! {arguments=>
            {
                let #mutable operands = (#(#values,)*);
                #head #call
            }
        }
    }
}

fn must_be_evaluated(expr: &Expr) -> bool {
    !is_constant(expr) && !matches!(peeled(expr), Expr::Path(_))
}

/// Whether it makes no difference when this is evaluated.
pub(crate) fn is_constant(expr: &Expr) -> bool {
    match peeled(expr) {
        Expr::Lit(_) => true,
        Expr::Unary(negation) => {
            matches!(negation.op, UnOp::Neg(_)) && matches!(*negation.expr, Expr::Lit(_))
        }
        Expr::Closure(closure) => closure.capture.is_some(),
        _ => false,
    }
}
