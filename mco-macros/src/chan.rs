//! `chan!`, Go's `make(chan T, n)`: telling a type from a capacity.
//!
//! A name alone may be either. As everywhere in Rust, types are written in camel case and constants in capitals, and
//! the built-in types have names of their own. One capital letter is taken for a constant, such as a parameter `N`.

use crate::input::{peel, peeled};
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Token, Type};

/// What stands between the brackets of `chan!`.
enum Chan {
    Unbounded(Option<Type>),
    Bounded(Option<Type>, Box<Expr>),
}

/// Expands the inside of `chan!`, behind the path of mco's channels.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let parse =
        |input: ParseStream<'_>| Ok((input.call(syn::Path::parse_mod_style)?, input.parse()?));
    match syn::parse::Parser::parse2(parse, input) {
        Err(error) => crate::error::block(&error),
        Ok((channel, chan)) => {
            let site = Span::mixed_site();
            match chan {
                Chan::Unbounded(None) => quote_spanned!(site=> #channel::unbounded()),
                Chan::Unbounded(Some(kind)) => {
                    quote_spanned!(site=> #channel::unbounded::<#kind>())
                }
                Chan::Bounded(None, capacity) => {
                    quote_spanned!(site=> #channel::bounded(#capacity))
                }
                Chan::Bounded(Some(kind), capacity) => {
                    quote_spanned!(site=> #channel::bounded::<#kind>(#capacity))
                }
            }
        }
    }
}

impl Parse for Chan {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            return Ok(Self::Unbounded(None));
        }
        // Two operands: what is before the comma is a type.
        let ahead = input.fork();
        if let Ok((kind, capacity)) = two(&ahead) {
            input.advance_to(&ahead);
            return Ok(Self::Bounded(Some(kind), bare(capacity)));
        }
        let ahead = input.fork();
        if let Ok(capacity) = one::<Expr>(&ahead)
            && !names_type(&capacity)
        {
            input.advance_to(&ahead);
            return Ok(Self::Bounded(None, bare(capacity)));
        }
        let ahead = input.fork();
        if let Ok(kind) = one::<Type>(&ahead) {
            input.advance_to(&ahead);
            return Ok(Self::Unbounded(Some(kind)));
        }
        // Its message says what is wrong with it.
        match two(input) {
            Ok((kind, capacity)) => Ok(Self::Bounded(Some(kind), bare(capacity))),
            Err(error) => Err(error),
        }
    }
}

/// The capacity, without the parentheses and braces around all of it, of which rustc would complain.
fn bare(capacity: Expr) -> Box<Expr> {
    let mut capacity = peel(capacity);
    if let Expr::Block(block) = &mut capacity {
        block.block.brace_token = syn::token::Brace(Span::mixed_site());
    }
    Box::new(capacity)
}

/// An operand, and nothing after it.
fn one<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    let operand = input.parse()?;
    input.parse::<Option<Token![,]>>()?;
    end(input)?;
    Ok(operand)
}

fn two(input: ParseStream<'_>) -> syn::Result<(Type, Expr)> {
    let kind = input.parse()?;
    input.parse::<Token![,]>()?;
    Ok((kind, one(input)?))
}

fn end(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    Err(input
        .error("`chan!` takes a type and a capacity, or one of them, or nothing: `chan!(T, 4)`"))
}

/// Whether what could be an expression is meant as a type.
fn names_type(expr: &Expr) -> bool {
    match peeled(expr) {
        Expr::Path(path) => path.path.segments.last().is_some_and(|segment| {
            let name = segment.ident.to_string();
            BUILT_IN.contains(&name.as_str()) && path.path.segments.len() == 1
                || is_camel_case(&name) && path.qself.is_none()
        }),
        // No capacity is one of these.
        Expr::Tuple(_) | Expr::Array(_) | Expr::Repeat(_) => true,
        Expr::Reference(reference) => names_type(&reference.expr),
        _ => false,
    }
}

const BUILT_IN: [&str; 17] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16",
    "u32", "u64", "u128", "usize",
];

fn is_camel_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_uppercase())
        && name.contains(|any: char| any.is_lowercase())
}
