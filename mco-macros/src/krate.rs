//! The path by which an expansion reaches mco: `::mco`, or what `crate = path` says.

use crate::error::{Faults, duplicate};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use std::path::Path as FilePath;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Ident, LitStr, Path, Token};

/// Where mco is, seen from the user's crate.
#[derive(Default)]
pub(crate) struct Krate(Option<Path>);

impl Krate {
    /// Parses what follows `crate =`.
    pub(crate) fn parse_path(input: ParseStream<'_>) -> syn::Result<Path> {
        if input.peek(LitStr) {
            let quoted: LitStr = input.parse()?;
            let path = quoted.value();
            let message =
                format!("`crate` takes a path, not a string: remove the quotes, `crate = {path}`");
            return Err(syn::Error::new_spanned(quoted, message));
        }
        if !input.peek(Ident::peek_any) && !input.peek(Token![::]) {
            return Err(input.error("`crate` takes the path of mco in this crate: `crate = rt`"));
        }
        Path::parse_mod_style(input)
    }

    /// Parses the leading `crate = path,` of a function-like macro, if there is one.
    pub(crate) fn parse_leading(input: ParseStream<'_>) -> syn::Result<Self> {
        Self::parse_leading_to(",", input)
    }

    /// The same in a macro whose settings end with `mark`. A `,` ends this one everywhere.
    pub(crate) fn parse_leading_to(mark: &str, input: ParseStream<'_>) -> syn::Result<Self> {
        let mut krate = Self::default();
        let mut faults = Faults::default();
        while input.peek(Token![crate]) && input.peek2(Token![=]) {
            let key: Token![crate] = input.parse()?;
            input.parse::<Token![=]>()?;
            krate.set(&key, Self::parse_path(input)?, &mut faults);
            if mark == ";" && input.peek(Token![;]) {
                input.parse::<Token![;]>()?;
            } else if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                return Err(input.error(format!("expected `{mark}` after the path of mco")));
            }
        }
        faults.finish().map(|()| krate)
    }

    /// Takes the path that `key` was given, unless it has one already.
    pub(crate) fn set(&mut self, key: &impl ToTokens, path: Path, faults: &mut Faults) {
        match self.0 {
            Some(_) => faults.add(key, duplicate("key `crate`")),
            None => self.0 = Some(path),
        }
    }

    /// Finds out, where the path was left to us, whether the user's crate knows mco under another name. `call` says
    /// how the macro is written with the key that is then missing.
    pub(crate) fn check(&self, call: impl FnOnce(&str) -> String, faults: &mut Faults) {
        if self.0.is_none()
            && let Some(name) = other_name(std::env::args())
        {
            let call = call(&name);
            let message =
                format!("this crate depends on mco under the name `{name}`: say so, `{call}`");
            faults.push(syn::Error::new(Span::call_site(), message));
        }
    }
}

impl ToTokens for Krate {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.0 {
            Some(path) => path.to_tokens(tokens),
            None => tokens.extend(quote_spanned!(Span::mixed_site()=> ::mco)),
        }
    }
}

/// The name under which the crate being compiled depends on mco, if it is another one.
///
/// A procedural macro runs inside the compiler, whose command line lists every dependency by the name that the user
/// chose and by its file: `--extern rt=target/debug/deps/libmco-0123.rmeta`. Where there is no such command line, in
/// rust-analyzer for one, or only the name of a file that holds it, the answer is no, and a wrong `::mco` is for the
/// compiler to report.
fn other_name(arguments: impl Iterator<Item = String>) -> Option<String> {
    let mut other = None;
    let mut is_value = false;
    for argument in arguments {
        let value =
            if is_value { Some(argument.as_str()) } else { argument.strip_prefix("--extern=") };
        is_value = argument == "--extern";
        let Some((name, file)) = value.and_then(|value| value.split_once('=')) else {
            continue;
        };
        // Options may come before the name: `priv,noprelude:rt`.
        let name = name.rsplit(':').next().unwrap_or(name);
        if name == "mco" {
            return None;
        }
        if is_mco(file) {
            other = Some(name.to_owned());
        }
    }
    other
}

/// Whether cargo would give this file name to the library of a package that is called mco.
fn is_mco(file: &str) -> bool {
    let stem = FilePath::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let stem = stem.strip_prefix("lib").unwrap_or(stem);
    match stem.split_once('-') {
        Some((name, hash)) => name == "mco" && !hash.contains('-'),
        None => stem == "mco",
    }
}

#[cfg(test)]
mod tests {
    use super::other_name;

    fn find(line: &str) -> Option<String> {
        other_name(line.split(' ').map(String::from))
    }

    #[test]
    fn a_renamed_dependency_is_found() {
        assert_eq!(find("rustc --extern rt=/t/deps/libmco-1f2e.rmeta -C x").as_deref(), Some("rt"));
        assert_eq!(find("rustc --extern=priv:rt=/t/deps/libmco-1f2e.rlib").as_deref(), Some("rt"));
        assert_eq!(find("rustc --extern rt=libmco.rlib").as_deref(), Some("rt"));
    }

    #[test]
    fn anything_else_is_left_to_the_compiler() {
        assert_eq!(
            find("rustc --extern mco=/t/libmco-1.rmeta --extern rt=/t/libmco-2.rmeta"),
            None
        );
        assert_eq!(
            find("rustc --extern mco_macros=/t/libmco_macros-1.so --extern proc_macro"),
            None
        );
        assert_eq!(
            find("rustc --extern rt=/t/libmco_net-1.rmeta --extern mco-x=/t/libmco-x-1.rmeta"),
            None
        );
        assert_eq!(find("rust-analyzer proc-macro"), None);
        assert_eq!(find("rustc --extern"), None);
    }
}
