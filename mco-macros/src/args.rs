//! The `key = value` arguments of an attribute: which there are, what each takes, and reading them.

use crate::error::{Faults, listed, meant};
use crate::krate::{Krate, duplicate};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, LitInt, LitStr, Token, UnOp};

/// A key that an attribute knows, besides `crate`, which each of them knows.
pub(crate) struct Key {
    name: &'static str,
    takes: Takes,
    /// The value in messages that show how it is done.
    example: &'static str,
}

/// What a key takes. A literal is checked here; any other expression passes through, for the compiler to type.
#[derive(Clone, Copy)]
enum Takes {
    /// A `usize` of at least one.
    Count,
    /// A `u64`.
    Number,
    /// A `bool`.
    Switch,
    /// A string such as `"1.5s"`, and only a literal, so that a slip is found at compile time.
    Duration,
}

const fn key(name: &'static str, takes: Takes, example: &'static str) -> Key {
    Key {
        name,
        takes,
        example,
    }
}

/// The keys of `#[mco::main]`.
pub(crate) const MAIN: &[Key] = &[
    key("workers", Takes::Count, "4"),
    key("stack_size", Takes::Count, "262_144"),
];

/// The keys of `#[mco::test]`.
pub(crate) const TEST: &[Key] = &[
    key("workers", Takes::Count, "2"),
    key("timeout", Takes::Duration, "\"5s\""),
    key("virtual_time", Takes::Switch, "true"),
    key("seed", Takes::Number, "7"),
    key("seeds", Takes::Count, "100"),
    key("deadlock", Takes::Switch, "false"),
    key("leaks", Takes::Switch, "true"),
];

/// Keys that are read and checked, but that the runtime cannot honour yet. To turn one on, take it out.
const NOT_YET: &[&str] = &["virtual_time", "seed", "seeds", "deadlock", "leaks"];

/// The arguments of one attribute.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) krate: Krate,
    /// The keys given so far, each with the call that passes it to the builder: `.workers(4)`.
    options: Vec<(&'static str, TokenStream)>,
}

impl Args {
    /// Reads what stands between the parentheses of `attribute`. What is at fault is left out.
    pub(crate) fn parse(
        tokens: TokenStream,
        attribute: &str,
        keys: &'static [Key],
        faults: &mut Faults,
    ) -> Self {
        let mut args = Self::default();
        let read = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(fault) = args.read_one(input, attribute, keys, faults) {
                    faults.push(fault);
                    skip_to_comma(input);
                }
                read_comma(input, faults);
            }
            Ok(())
        };
        if let Err(fault) = read.parse2(tokens) {
            faults.push(fault);
        }
        args
    }

    fn read_one(
        &mut self,
        input: ParseStream<'_>,
        attribute: &str,
        keys: &'static [Key],
        faults: &mut Faults,
    ) -> syn::Result<()> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!(
                "expected a key and its value: `{} = {}`",
                keys[0].name, keys[0].example
            )));
        }
        let name = input.call(Ident::parse_any)?;
        if name == "crate" {
            read_equals(input, &name, "rt")?;
            let path = Krate::parse_path(input)?;
            self.krate.set(&name, path, faults);
            return Ok(());
        }
        let Some(key) = keys.iter().find(|key| name == key.name) else {
            return Err(syn::Error::new_spanned(
                &name,
                unknown(&name, attribute, keys),
            ));
        };
        read_equals(input, &name, key.example)?;
        let call = key.call(&name, input.parse()?)?;
        if self.options.iter().any(|(given, _)| *given == key.name) {
            faults.add(&name, duplicate(key.name));
        } else {
            self.options.push((key.name, call));
        }
        Ok(())
    }
}

/// The calls that hand the options to the builder.
impl ToTokens for Args {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.options.iter().map(|(_, call)| call.clone()));
    }
}

impl Key {
    /// Checks a value and turns it into the call that passes it to the builder.
    fn call(&self, name: &Ident, value: Expr) -> syn::Result<TokenStream> {
        // The method bears the key's place, so that the compiler, when it dislikes the value, shows the user's tokens.
        let span = Span::mixed_site().located_at(name.span());
        let (method, value) = match self.takes {
            Takes::Count => (Ident::new(self.name, span), self.number(value, "usize", 1)?),
            Takes::Number => (Ident::new(self.name, span), self.number(value, "u64", 0)?),
            Takes::Switch => (Ident::new(self.name, span), self.switch(value)?),
            Takes::Duration => (
                format_ident!("{}_ms", self.name, span = span),
                self.duration(&value)?,
            ),
        };
        if NOT_YET.contains(&self.name) {
            let message =
                format!("`{name}` is not available in this version of mco yet: leave the key out");
            return Err(syn::Error::new_spanned(name, message));
        }
        Ok(quote!(.#method(#value)))
    }

    fn number(&self, value: Expr, r#type: &str, least: u64) -> syn::Result<TokenStream> {
        match literal(&value) {
            Literal::None => return Ok(value.into_token_stream()),
            Literal::Negative => return Err(self.mistyped(&value, "a negative number")),
            Literal::Lit(Lit::Int(number)) => self.whole(number, r#type, least)?,
            Literal::Lit(other) => return Err(self.mistyped(&value, kind(other))),
        }
        Ok(value.into_token_stream())
    }

    fn whole(&self, number: &LitInt, r#type: &str, least: u64) -> syn::Result<()> {
        let Self { name, .. } = self;
        let message = match number.base10_parse::<u64>() {
            _ if !number.suffix().is_empty() && number.suffix() != r#type => {
                format!(
                    "`{name}` takes a `{type}`: remove the suffix `{}`",
                    number.suffix()
                )
            }
            Err(_) => format!(
                "`{name}` takes a `{type}`, which this number does not fit: give a smaller one"
            ),
            Ok(value) if value < least => {
                format!(
                    "`{name}` must be at least {least}: give more, or leave the key out for the default"
                )
            }
            Ok(_) => return Ok(()),
        };
        Err(syn::Error::new_spanned(number, message))
    }

    fn switch(&self, value: Expr) -> syn::Result<TokenStream> {
        match literal(&value) {
            Literal::None | Literal::Lit(Lit::Bool(_)) => Ok(value.into_token_stream()),
            Literal::Negative => Err(self.mistyped(&value, "a number")),
            Literal::Lit(other) => Err(self.mistyped(&value, kind(other))),
        }
    }

    fn duration(&self, value: &Expr) -> syn::Result<TokenStream> {
        match literal(value) {
            Literal::Lit(Lit::Str(text)) => {
                let milliseconds =
                    milliseconds(&text.value()).map_err(|why| self.no_duration(text, why))?;
                Ok(milliseconds.into_token_stream())
            }
            Literal::Lit(other) => Err(self.mistyped(value, kind(other))),
            Literal::None | Literal::Negative => Err(self.mistyped(value, "an expression")),
        }
    }

    fn no_duration(&self, text: &LitStr, why: &str) -> syn::Error {
        let message = format!(
            "`{}` {why}: write it like \"5s\", \"1.5s\", \"500ms\" or \"2m\"",
            self.name
        );
        syn::Error::new_spanned(text, message)
    }

    fn mistyped(&self, value: &Expr, found: &str) -> syn::Error {
        let Self { name, example, .. } = self;
        let takes = match self.takes {
            Takes::Count => "a `usize`",
            Takes::Number => "a `u64`",
            Takes::Switch => "`true` or `false`",
            Takes::Duration => "a duration in quotes",
        };
        syn::Error::new_spanned(
            value,
            format!("`{name}` takes {takes}, not {found}: `{name} = {example}`"),
        )
    }
}

/// Reads the `=` of `key = value` and makes sure that a value follows.
fn read_equals(input: ParseStream<'_>, name: &Ident, example: &str) -> syn::Result<()> {
    let value_is_missing = || format!("`{name}` needs a value: `{name} = {example}`");
    if at_end(input) {
        return Err(syn::Error::new_spanned(name, value_is_missing()));
    }
    if !input.peek(Token![=]) || input.peek(Token![==]) {
        return Err(input.error(format!("expected `=` after `{name}`: `{name} = {example}`")));
    }
    let equals: Token![=] = input.parse()?;
    if at_end(input) {
        return Err(syn::Error::new_spanned(equals, value_is_missing()));
    }
    Ok(())
}

/// Reads the comma after an argument. Where one was forgotten before the next key, says so and reads on.
fn read_comma(input: ParseStream<'_>, faults: &mut Faults) {
    if at_end(input) {
        // There is nothing to read at the end, and nothing to complain of.
        let _ = input.parse::<Option<Token![,]>>();
        return;
    }
    faults.push(input.error("expected `,` between one key and the next"));
    if !input.peek(Ident::peek_any) {
        skip_to_comma(input);
    }
}

/// Whether the argument ends here.
fn at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// Leaves the rest of an argument that is at fault, so that the next can be read.
fn skip_to_comma(input: ParseStream<'_>) {
    while !at_end(input) && input.parse::<TokenTree>().is_ok() {}
}

fn unknown(name: &Ident, attribute: &str, keys: &[Key]) -> String {
    let known = || keys.iter().map(|key| key.name).chain(["crate"]);
    let hint = meant(&name.to_string(), known())
        .map(|hint| format!("did you mean `{hint}`? "))
        .unwrap_or_default();
    let available = listed(known().filter(|name| !NOT_YET.contains(name)));
    format!("unknown key `{name}`: {hint}`#[mco::{attribute}]` takes {available}")
}

/// An expression as the checks see it.
enum Literal<'a> {
    /// Not a literal.
    None,
    /// A number with a minus before it, which is no literal by itself.
    Negative,
    Lit(&'a Lit),
}

fn literal(value: &Expr) -> Literal<'_> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Literal::Lit(lit),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) if matches!(**expr, Expr::Lit(_)) => Literal::Negative,
        // `macro_rules!` wraps what it substitutes for `$value:expr`.
        Expr::Group(group) => literal(&group.expr),
        _ => Literal::None,
    }
}

fn kind(literal: &Lit) -> &'static str {
    match literal {
        Lit::Str(_) | Lit::CStr(_) => "a string",
        Lit::ByteStr(_) => "a byte string",
        Lit::Byte(_) => "a byte",
        Lit::Char(_) => "a character",
        Lit::Int(_) => "a number",
        Lit::Float(_) => "a number with a fraction",
        Lit::Bool(_) => "a `bool`",
        _ => "this",
    }
}

/// Reads `"5s"`, `"1.5s"`, `"500ms"`, `"2m"`; an error says what the text is or does.
fn milliseconds(text: &str) -> Result<u64, &'static str> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "" if !number.is_empty() => return Err("needs a unit"),
        _ => return Err("is not a duration"),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Twelve digits are thirty thousand years of milliseconds, and far from overflow when multiplied by a unit.
    let parse = |digits: &str| match digits.len() {
        0 => Err("is not a duration"),
        1..=12 => digits.parse::<u64>().map_err(|_| "is not a duration"),
        _ => Err("has too many digits"),
    };
    let scale = 10_u64.pow(u32::try_from(fraction.len().min(12)).unwrap_or_default());
    let part = parse(fraction)? * unit;
    if part % scale != 0 {
        return Err("is not a whole number of milliseconds");
    }
    match parse(whole)? * unit + part / scale {
        0 => Err("must be longer than nothing"),
        total => Ok(total),
    }
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("5s", 5_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1.5s", 1_500),
            ("0.5m", 30_000),
            ("0.001s", 1),
            ("1.000s", 1_000),
            ("999999999999m", 59_999_999_999_940_000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in [
            "", "s", "five", "5 s", "-5s", "5h", "5s ", "1.s", ".5s", "1.2.3s", ".",
        ] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
        assert_eq!(milliseconds("5"), Err("needs a unit"));
        assert_eq!(milliseconds("0s"), Err("must be longer than nothing"));
        assert_eq!(
            milliseconds("0.5ms"),
            Err("is not a whole number of milliseconds")
        );
        assert_eq!(
            milliseconds("1.0005s"),
            Err("is not a whole number of milliseconds")
        );
        assert_eq!(milliseconds("1234567890123s"), Err("has too many digits"));
    }
}
