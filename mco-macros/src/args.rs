//! The `key = value` arguments of an attribute: which there are, and reading them.

use crate::error::{Faults, duplicate, listed, meant};
use crate::krate::Krate;
use crate::value::{Takes, Value};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Token};

/// An attribute and the keys that it knows besides `crate`, which each of them knows.
pub(crate) struct Schema {
    pub(crate) attribute: &'static str,
    keys: &'static [Key],
}

struct Key {
    name: &'static str,
    takes: Takes,
    /// A value for messages that show how it is done.
    example: &'static str,
}

const fn key(name: &'static str, takes: Takes, example: &'static str) -> Key {
    Key { name, takes, example }
}

pub(crate) const MAIN: Schema = Schema {
    attribute: "main",
    keys: &[key("workers", Takes::Count, "4"), key("stack_size", Takes::Count, "262_144")],
};

pub(crate) const TEST: Schema = Schema {
    attribute: "test",
    keys: &[
        key("workers", Takes::Count, "2"),
        key("timeout", Takes::Duration, "\"5s\""),
        key("virtual_time", Takes::Switch, "true"),
        key("seed", Takes::Number, "7"),
        key("seeds", Takes::Count, "100"),
        key("deadlock", Takes::Switch, "false"),
        key("leaks", Takes::Switch, "true"),
    ],
};

/// The arguments of one attribute.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) krate: Krate,
    /// What was read.
    pub(crate) source: TokenStream,
    given: Vec<&'static str>,
    /// The calls that hand the options to the builder: `.workers(4)`.
    options: TokenStream,
}

impl Args {
    /// Reads what stands between the parentheses of the attribute. What is at fault is left out.
    pub(crate) fn parse(tokens: TokenStream, schema: &Schema, faults: &mut Faults) -> Self {
        let mut args = Self { source: tokens.clone(), ..Self::default() };
        let read = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(fault) = args.read_one(input, schema, faults) {
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
        schema: &Schema,
        faults: &mut Faults,
    ) -> syn::Result<()> {
        if !input.peek(Ident::peek_any) {
            let Key { name, example, .. } = &schema.keys[0];
            return Err(input.error(format!("expected a key and its value: `{name} = {example}`")));
        }
        let name = input.call(Ident::parse_any)?;
        if name == "crate" {
            read_equals(input, &name, "rt")?;
            self.krate.set(&name, Krate::parse_path(input)?, faults);
            return Ok(());
        }
        let key = schema.key(&name)?;
        if self.given.contains(&key.name) {
            faults.add(&name, duplicate(format_args!("key `{}`", key.name)));
        } else if let Some(other) = self.excluded_by(key) {
            let message = format!(
                "`{name}` and `{other}` exclude each other: a seed decides the order of the coroutines \
                 of one worker; leave one of them out"
            );
            faults.add(&name, message);
        }
        self.given.push(key.name);
        read_equals(input, &name, key.example)?;
        let Value { tokens, suffix } = key.check(input)?;
        // The method stands where the key does: if the compiler dislikes the value, it shows the user's tokens.
        let span = Span::mixed_site().located_at(name.span());
        let method = Ident::new(&format!("{name}{suffix}"), span);
        self.options.extend(quote!(.#method(#tokens)));
        Ok(())
    }
}

/// Pairs of keys that make no sense together.
const EXCLUSIVE: &[(&str, &str)] = &[("workers", "seed"), ("workers", "seeds")];

impl Args {
    /// A key that was given before, and with which this one makes no sense.
    fn excluded_by(&self, key: &Key) -> Option<&'static str> {
        let other = |(a, b): &(&'static str, &'static str)| {
            if *a == key.name { Some(*b) } else { (*b == key.name).then_some(*a) }
        };
        EXCLUSIVE.iter().filter_map(other).find(|other| self.given.contains(other))
    }
}

impl ToTokens for Args {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.options.to_tokens(tokens);
    }
}

impl Schema {
    fn key(&self, name: &Ident) -> syn::Result<&'static Key> {
        let unknown = || {
            let names = self.keys.iter().map(|key| key.name).chain(["crate"]);
            let hint = meant(&name.to_string(), names.clone());
            let hint = hint.map(|hint| format!("did you mean `{hint}`? ")).unwrap_or_default();
            let message = format!(
                "unknown key `{name}`: {hint}`#[mco::{}]` takes {}",
                self.attribute,
                listed(names)
            );
            syn::Error::new_spanned(name, message)
        };
        self.keys.iter().find(|key| name == key.name).ok_or_else(unknown)
    }
}

impl Key {
    fn check(&self, input: ParseStream<'_>) -> syn::Result<Value> {
        let Self { name, takes, example } = self;
        takes.check(input.parse()?).map_err(|fault| {
            let message = fault.message(name, example);
            syn::Error::new_spanned(fault.place, message)
        })
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
    if input.is_empty() || input.parse::<Token![,]>().is_ok() {
        return;
    }
    faults.push(input.error("expected `,` between one key and the next"));
    if !input.peek(Ident::peek_any) {
        skip_to_comma(input);
    }
}

/// Leaves the rest of an argument that is at fault, so that the next can be read.
fn skip_to_comma(input: ParseStream<'_>) {
    while !at_end(input) && input.parse::<TokenTree>().is_ok() {}
}

/// Whether the argument ends here.
fn at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}
