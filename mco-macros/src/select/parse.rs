//! Reads the branches of a `select!`.
//!
//! A branch with a fault is left out and the next one read, so that one compilation shows the faults of all.

use crate::error::{Faults, duplicate};
use crate::krate::Krate;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, Ident, Pat, Token, custom_keyword};

custom_keyword!(biased);

/// How an arm is written.
pub(super) const ARM: &str = "`pattern = operation => body`";

/// What was read, as far as it could be.
#[derive(Default)]
pub(super) struct Input {
    pub(super) krate: Krate,
    pub(super) biased: bool,
    pub(super) branches: Vec<Branch>,
    /// Whether a branch was left out.
    pub(super) is_partial: bool,
}

pub(super) enum Branch {
    Arm(Box<Arm>),
    Default(Span, Expr),
    Else(Span, Expr),
}

pub(super) struct Arm {
    pub(super) pattern: Pat,
    pub(super) operation: Expr,
    pub(super) guard: Option<Expr>,
    pub(super) body: Expr,
}

pub(super) fn parse(tokens: TokenStream, faults: &mut Faults) -> Input {
    let mut read = Input::default();
    let reader = |input: ParseStream<'_>| {
        match Krate::parse_leading_to(";", input) {
            Ok(krate) => read.krate = krate,
            Err(fault) => {
                read.is_partial = true;
                faults.push(fault);
                skip_branch(input);
            }
        }
        while !input.is_empty() {
            if input.peek(biased) && (input.peek2(Token![;]) || input.peek2(Token![,])) {
                read.read_biased(input, faults)?;
                continue;
            }
            let ahead = input.fork();
            match ahead.parse() {
                Ok(branch) => {
                    input.advance_to(&ahead);
                    read.branches.push(branch);
                    read_comma(input, &read, faults);
                }
                Err(fault) => {
                    read.is_partial = true;
                    faults.push(fault);
                    skip_branch(input);
                }
            }
        }
        Ok(())
    };
    if let Err(fault) = reader.parse2(tokens) {
        faults.push(fault);
    }
    read
}

impl Input {
    fn read_biased(&mut self, input: ParseStream<'_>, faults: &mut Faults) -> syn::Result<()> {
        let keyword: biased = input.parse()?;
        if let Ok(comma) = input.parse::<Token![,]>() {
            faults.add(comma, "expected `;` after `biased`");
        } else {
            input.parse::<Token![;]>()?;
        }
        if self.biased {
            faults.add(keyword, duplicate("`biased;`"));
        } else if !self.branches.is_empty() || self.is_partial {
            faults.add(keyword, "`biased;` comes first: move it before the arms");
        }
        self.biased = true;
        Ok(())
    }
}

/// Reads the comma after a branch, which a body in braces does not need.
fn read_comma(input: ParseStream<'_>, read: &Input, faults: &mut Faults) {
    if input.is_empty() || input.parse::<Token![,]>().is_ok() {
        return;
    }
    let needs_comma = read.branches.last().is_some_and(|branch| !branch.ends_in_brace());
    if needs_comma || input.peek(Token![;]) {
        faults.push(input.error("expected `,` between arms"));
        // What is there instead of the comma says nothing about the next arm.
        let _ = input.parse::<Token![;]>();
    }
}

/// Passes over a branch that could not be read: to behind the body after the next arrow.
fn skip_branch(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![=>]) {
        let _ = input.parse::<TokenTree>();
    }
    let _ = input.parse::<Token![=>]>();
    let ahead = input.fork();
    if Expr::parse_with_earlier_boundary_rule(&ahead).is_ok() {
        input.advance_to(&ahead);
    } else {
        while !input.is_empty() && !input.peek(Token![,]) {
            let _ = input.parse::<TokenTree>();
        }
    }
    let _ = input.parse::<Token![,]>();
}

impl Branch {
    fn ends_in_brace(&self) -> bool {
        match self {
            Self::Arm(arm) => ends_in_brace(&arm.body),
            Self::Default(_, body) | Self::Else(_, body) => ends_in_brace(body),
        }
    }
}

/// Whether no comma is needed after a body: as in `match`.
fn ends_in_brace(body: &Expr) -> bool {
    match body {
        // What `macro_rules!` puts around a block that it substitutes.
        Expr::Group(group) => ends_in_brace(&group.expr),
        Expr::Block(_)
        | Expr::Const(_)
        | Expr::ForLoop(_)
        | Expr::If(_)
        | Expr::Loop(_)
        | Expr::Match(_)
        | Expr::TryBlock(_)
        | Expr::Unsafe(_)
        | Expr::While(_) => true,
        _ => false,
    }
}

impl Parse for Branch {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![else]) {
            let keyword: Token![else] = input.parse()?;
            return Ok(Self::Else(keyword.span, lone_body(&keyword, input)?));
        }
        // A variable may be called `default`.
        if input.peek(Token![default]) && !input.peek2(Token![=]) && !input.peek2(Token![|])
            || input.peek(Token![default]) && input.peek2(Token![=>])
        {
            let keyword: Token![default] = input.parse()?;
            return Ok(Self::Default(keyword.span, lone_body(&keyword, input)?));
        }
        Arm::parse(input).map(|arm| Self::Arm(Box::new(arm)))
    }
}

/// The body of `default` or `else`, which have nothing before the arrow.
fn lone_body(keyword: &impl ToTokens, input: ParseStream<'_>) -> syn::Result<Expr> {
    let name = keyword.to_token_stream();
    if input.peek(Token![if]) || input.peek(Token![,]) && input.peek2(Token![if]) {
        return Err(input.error(format!("`{name}` takes no guard: ask in its body")));
    }
    arrow_and_body(input, &format!("`{name} => body`"))
}

fn arrow_and_body(input: ParseStream<'_>, form: &str) -> syn::Result<Expr> {
    if !input.peek(Token![=>]) {
        return Err(input.error(format!("expected `=>` and a body here: {form}")));
    }
    let arrow: Token![=>] = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        let message = "expected a body after `=>`: an expression, or `{}` to do nothing";
        return Err(syn::Error::new_spanned(arrow, message));
    }
    Expr::parse_with_earlier_boundary_rule(input)
}

impl Parse for Arm {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        check_start(input)?;
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        check_after_pattern(input)?;
        input.parse::<Token![=]>()?;
        if input.peek(Token![=>]) || input.is_empty() {
            return Err(input.error(format!("expected an operation after `=`: {ARM}")));
        }
        let operation: Expr = input.parse()?;
        if input.peek(Token![if]) {
            return Err(input.error(format!("expected `,` before the guard: {GUARDED}")));
        }
        let mut guard = None;
        if input.peek(Token![,]) {
            let comma: Token![,] = input.parse()?;
            if input.peek(Token![=>]) {
                let message =
                    "expected a guard after the comma, `if ready`: write it, or remove the comma";
                return Err(syn::Error::new_spanned(comma, message));
            }
            if !input.peek(Token![if]) {
                let message = format!("expected `=>` and a body here: {ARM}");
                return Err(syn::Error::new_spanned(comma, message));
            }
            input.parse::<Token![if]>()?;
            guard = Some(input.parse()?);
        }
        let body = arrow_and_body(input, ARM)?;
        Ok(Self { pattern, operation, guard, body })
    }
}

const GUARDED: &str = "`pattern = operation, if guard => body`";

/// Recognises what cannot begin an arm.
fn check_start(input: ParseStream<'_>) -> syn::Result<()> {
    let message = if input.peek(Token![let]) {
        format!("an arm needs no `let`: {ARM}")
    } else if input.peek(Token![if]) {
        format!("the guard comes before the body: {GUARDED}")
    } else if input.peek(Token![#]) {
        "an arm takes no attributes: put them into the body".to_owned()
    } else if input.peek(Token![=>]) {
        format!("expected a pattern and an operation before `=>`: {ARM}")
    } else if input.peek(Token![=]) {
        "expected a pattern before `=`: `_` takes any result".to_owned()
    } else if input.peek(Token![_]) && input.peek2(Token![=>]) {
        "an arm waits for something: write `default => ..` for what to do when nothing is ready"
            .to_owned()
    } else if is_case(input) {
        format!("an arm needs no `case`: {ARM}")
    } else {
        return Ok(());
    };
    Err(input.error(message))
}

/// Go writes `case value := <-channel`.
fn is_case(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok_and(|word| word == "case")
        && (ahead.peek(Ident::peek_any) || ahead.peek(Token![_]))
}

/// Recognises what people write in place of the `=`.
fn check_after_pattern(input: ParseStream<'_>) -> syn::Result<()> {
    let message = if input.peek(Token![if]) {
        format!("the guard comes after the operation: {GUARDED}")
    } else if input.peek(Token![->]) {
        "expected `=` and the call of a method: `value = receiver.recv() => body`".to_owned()
    } else if input.peek(Token![:]) && !input.peek(Token![::]) && !input.peek2(Token![=]) {
        "a pattern takes no type here: name it in the body".to_owned()
    } else if input.peek(Token![=>]) || input.peek(Token![==]) || !input.peek(Token![=]) {
        format!("expected `=` and an operation here: {ARM}, `_` if the result does not matter")
    } else {
        return Ok(());
    };
    Err(input.error(message))
}
