//! What a pattern binds, and whether it may refuse.

use crate::error::Faults;
use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Pat, PatIdent, Token};

/// The pattern of an arm, without `mut`, which belongs to where the body takes the bindings over.
pub(super) struct Pattern {
    pub(super) pat: Pat,
    pub(super) bindings: Vec<Binding>,
}

pub(super) struct Binding {
    pub(super) mutability: Option<Token![mut]>,
    pub(super) ident: Ident,
}

impl Pattern {
    pub(super) fn new(mut pat: Pat, faults: &mut Faults) -> Self {
        let mut bindings: Vec<Binding> = Vec::new();
        walk(&mut pat, &mut |pattern| {
            if let Some(keyword) = &pattern.by_ref {
                let message =
                    "`ref` would borrow from a result that moves into the body: bind it by value";
                faults.add(keyword, message);
            }
            let mutability = pattern.mutability.take();
            if !bindings.iter().any(|binding| binding.ident == pattern.ident) {
                bindings.push(Binding { mutability, ident: pattern.ident.clone() });
            }
        });
        if let Pat::Wild(wild) = &mut pat {
            // Lints that want `()` written out in its place leave what a macro writes alone.
            let span = wild.underscore_token.span;
            wild.underscore_token.span = Span::mixed_site().located_at(span);
        }
        Self { pat, bindings }
    }

    /// Whether it is a variable or `_`.
    pub(super) fn is_plain(&self) -> bool {
        match &self.pat {
            Pat::Wild(_) => true,
            Pat::Ident(PatIdent { subpat: None, ident, .. }) => is_variable(ident),
            _ => false,
        }
    }

    pub(super) fn binds(&self, ident: &Ident) -> bool {
        self.bindings.iter().any(|binding| binding.ident == *ident)
    }
}

/// Calls `visit` for everything that binds a variable.
fn walk(pat: &mut Pat, visit: &mut impl FnMut(&mut PatIdent)) {
    match pat {
        Pat::Ident(ident) => {
            if ident.subpat.is_some() || is_variable(&ident.ident) {
                visit(ident);
            }
            if let Some((_, inner)) = &mut ident.subpat {
                walk(inner, visit);
            }
        }
        Pat::Guard(guard) => walk(&mut guard.pat, visit),
        Pat::Or(or) => or.cases.iter_mut().for_each(|case| walk(case, visit)),
        Pat::Paren(paren) => walk(&mut paren.pat, visit),
        Pat::Reference(reference) => walk(&mut reference.pat, visit),
        Pat::Slice(slice) => slice.elems.iter_mut().for_each(|elem| walk(elem, visit)),
        Pat::Struct(fields) => {
            fields.fields.iter_mut().for_each(|field| walk(&mut field.pat, visit));
        }
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(|elem| walk(elem, visit)),
        Pat::TupleStruct(tuple) => tuple.elems.iter_mut().for_each(|elem| walk(elem, visit)),
        Pat::Type(typed) => walk(&mut typed.pat, visit),
        _ => {}
    }
}

/// Whether a name alone is taken for a variable. A constant, and a variant without fields, looks the same to a macro
/// but for its first letter.
pub(super) fn is_variable(ident: &Ident) -> bool {
    let name = ident.unraw().to_string();
    name != "self" && !name.trim_start_matches('_').starts_with(char::is_uppercase)
}

/// Whether these patterns together, tried in order, certainly take every value. They may do so without it being seen.
pub(super) fn take_everything<'a>(patterns: impl Iterator<Item = &'a Pat> + Clone) -> bool {
    fn takes(pat: &Pat, variant: &str) -> bool {
        match pat {
            Pat::Or(or) => or.cases.iter().any(|case| takes(case, variant)),
            Pat::Paren(paren) => takes(&paren.pat, variant),
            Pat::TupleStruct(tuple) => {
                tuple.path.is_ident(variant) && tuple.elems.iter().all(takes_everything)
            }
            _ => false,
        }
    }
    let all = |variant| patterns.clone().any(|pat| takes(pat, variant));
    patterns.clone().any(takes_everything) || all("Ok") && all("Err")
}

fn takes_everything(pat: &Pat) -> bool {
    match pat {
        Pat::Wild(_) | Pat::Rest(_) => true,
        Pat::Ident(PatIdent { subpat: None, ident, .. }) => is_variable(ident),
        Pat::Ident(PatIdent { subpat: Some((_, inner)), .. }) => takes_everything(inner),
        Pat::Paren(paren) => takes_everything(&paren.pat),
        Pat::Tuple(tuple) => tuple.elems.iter().all(takes_everything),
        Pat::Reference(reference) => takes_everything(&reference.pat),
        Pat::Or(or) => take_everything(or.cases.iter()),
        // A struct, and what is to be found in the error of a send.
        Pat::TupleStruct(tuple) => {
            let name = tuple.path.segments.last();
            name.is_some_and(|name| name.ident == "SendError")
                && tuple.elems.iter().all(takes_everything)
        }
        _ => false,
    }
}

/// Whether a name occurs in what the user wrote, perhaps in a string that is formatted.
pub(super) fn mentions(tokens: &impl ToTokens, ident: &Ident) -> bool {
    use proc_macro2::{TokenStream, TokenTree};
    fn search(tokens: TokenStream, ident: &Ident, name: &str) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(other) => other == *ident,
            TokenTree::Literal(literal) => literal.to_string().contains(name),
            TokenTree::Group(group) => search(group.stream(), ident, name),
            TokenTree::Punct(_) => false,
        })
    }
    search(tokens.to_token_stream(), ident, &ident.unraw().to_string())
}
