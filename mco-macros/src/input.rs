//! What a function-like macro is given to run: reading it and telling its forms apart.

use crate::error::Faults;
use crate::krate::Krate;
use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{
    BinOp, Block, Expr, ExprBinary, ExprBlock, ExprCall, ExprClosure, ExprMethodCall, Token,
};

/// The tokens of a function-like macro: `crate = path,` perhaps, and then operands or statements.
pub(crate) struct Input {
    pub(crate) krate: Krate,
    pub(crate) code: Code,
}

pub(crate) enum Code {
    Operands(Vec<Expr>),
    /// As they were written; it is for the compiler to read them.
    Statements(TokenStream),
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self { krate: Krate::parse_leading(input)?, code: input.parse()? })
    }
}

impl Parse for Code {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // A macro does not learn which brackets it was called with, so a `;` is what tells statements from operands.
        if has_semicolon(input) {
            let ahead = input.fork();
            if ahead.parse::<Expr>().is_ok() && ahead.peek(Token![,]) {
                return Err(ahead.error(
                    "expected one block after the comma: put the statements in braces, `{ .. }`",
                ));
            }
            return input.parse().map(Self::Statements);
        }
        let ahead = input.fork();
        match operands(&ahead, ", or `;` between statements") {
            Ok(operands) => {
                input.advance_to(&ahead);
                Ok(Self::Operands(operands))
            }
            // Statements need no `;` where each ends in a brace.
            Err(fault) => match Block::parse_within(&input.fork()) {
                Ok(_) => input.parse().map(Self::Statements),
                Err(_) => Err(fault),
            },
        }
    }
}

/// Reads operands; `or_else` is what else might stand there, for the message.
pub(crate) fn operands(input: ParseStream<'_>, or_else: &str) -> syn::Result<Vec<Expr>> {
    let mut operands = Vec::new();
    while !input.is_empty() {
        operands.push(input.parse()?);
        if !input.is_empty() && input.parse::<Token![,]>().is_err() {
            return Err(input.error(format!("expected `,` between operands{or_else}")));
        }
    }
    Ok(operands)
}

pub(crate) fn has_semicolon(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    while let Ok(token) = ahead.parse::<TokenTree>() {
        if matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';') {
            return true;
        }
    }
    false
}

/// Something to run, by its form.
pub(crate) enum Work {
    /// A closure without parameters.
    Closure(ExprClosure),
    Call(ExprCall),
    MethodCall(ExprMethodCall),
    /// A block, braces included.
    Block(TokenStream),
    /// Anything else: it evaluates to what is to be called.
    Callable(Expr),
}

impl Work {
    /// Tells the form of an operand; what cannot run is recorded as a fault of the macro called `name`.
    pub(crate) fn new(operand: Expr, name: &str, faults: &mut Faults) -> Self {
        let work = match peel(operand) {
            Expr::Closure(closure) => Self::Closure(closure),
            Expr::Call(call) => Self::Call(call),
            Expr::MethodCall(call) => Self::MethodCall(call),
            Expr::Block(ExprBlock { attrs, label: None, block, .. }) if attrs.is_empty() => {
                Self::Block(block.into_token_stream())
            }
            statement if is_statement(&statement) => {
                Self::statements(&statement.into_token_stream())
            }
            value => Self::Callable(value),
        };
        work.check(name, faults);
        work
    }

    /// Makes a block of statements.
    pub(crate) fn statements(statements: &TokenStream) -> Self {
        Self::Block(quote_spanned!(Span::mixed_site()=> { #statements }))
    }

    fn check(&self, name: &str, faults: &mut Faults) {
        let future = || no_future(name, &format!("{name}!(move || mco::block_on(..))"));
        match self {
            Self::Closure(ExprClosure { asyncness: Some(token), .. }) => faults.add(token, future()),
            Self::Closure(ExprClosure { inputs, .. }) if !inputs.is_empty() => faults.add(
                inputs,
                format!("`{name}!` calls the closure without arguments: write `||`, and capture what it needs"),
            ),
            Self::Callable(Expr::Async(block)) => faults.add(block.async_token, future()),
            Self::Callable(Expr::Await(operation)) => faults.add(operation.await_token, future()),
            Self::Callable(Expr::Try(operation)) => faults.add(
                operation.question_token,
                no_return(name, &format!("handle the error in a block, `{name}! {{ .. }}`")),
            ),
            Self::Callable(literal @ Expr::Lit(_)) => faults.add(
                literal,
                format!("`{name}!` found a literal where it needs something to run: a closure, a call or a block"),
            ),
            _ => {}
        }
    }
}

/// What a macro whose operands are evaluated elsewhere says to do instead.
pub(crate) struct Remedies {
    pub(crate) name: &'static str,
    /// How `block_on` is called there.
    pub(crate) future: &'static str,
    pub(crate) question_mark: &'static str,
    pub(crate) leaving: &'static str,
    pub(crate) closure: &'static str,
}

impl Remedies {
    /// Finds what evaluates to nothing, or leads out of where the macro stands.
    pub(crate) fn check(&self, operand: &Expr, faults: &mut Faults) {
        let Self { name, future, question_mark, leaving, closure } = self;
        let outside = || format!("nothing leads out of `{name}!` from here: {leaving}");
        match peeled(operand) {
            Expr::Async(block) => faults.add(block.async_token, no_future(name, future)),
            Expr::Await(operation) => faults.add(operation.await_token, no_future(name, future)),
            Expr::Try(operation) => {
                faults.add(operation.question_token, no_return(name, question_mark));
            }
            Expr::Return(operation) => faults.add(operation, outside()),
            Expr::Break(operation) => faults.add(operation, outside()),
            Expr::Continue(operation) => faults.add(operation, outside()),
            Expr::Closure(operand) => {
                faults.add(operand, format!("`{name}!` calls no closure: {closure}"));
            }
            _ => {}
        }
    }
}

/// The message for a future where something is to run.
fn no_future(name: &str, way: &str) -> String {
    format!("`{name}!` runs no future: hand it to `mco::block_on`, as in `{way}`")
}

/// The message for a `?` in code that the macro makes a closure of.
fn no_return(name: &str, remedy: &str) -> String {
    format!("`?` has no function to return from in `{name}!`: {remedy}")
}

/// Takes away parentheses, and the invisible ones that `macro_rules!` puts around what it substitutes.
pub(crate) fn peel(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => peel(*group.expr),
        Expr::Paren(paren) => peel(*paren.expr),
        other => other,
    }
}

/// The same, looking through them.
pub(crate) fn peeled(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => peeled(&group.expr),
        Expr::Paren(paren) => peeled(&paren.expr),
        other => other,
    }
}

/// Whether this is run for what it does, and not for a value that could be called.
fn is_statement(expr: &Expr) -> bool {
    match expr {
        Expr::Binary(ExprBinary { op, .. }) => is_assignment(op),
        Expr::Assign(_)
        | Expr::Block(_)
        | Expr::Break(_)
        | Expr::Const(_)
        | Expr::Continue(_)
        | Expr::ForLoop(_)
        | Expr::If(_)
        | Expr::Let(_)
        | Expr::Loop(_)
        | Expr::Macro(_)
        | Expr::Match(_)
        | Expr::Return(_)
        | Expr::Unsafe(_)
        | Expr::While(_) => true,
        _ => false,
    }
}

fn is_assignment(op: &BinOp) -> bool {
    matches!(
        op,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}

/// The place of what the user wrote, for a token of ours: its names stay out of the user's way, and the compiler
/// points at the user's code.
pub(crate) fn at(place: &impl ToTokens) -> Span {
    let first = place.to_token_stream().into_iter().next();
    Span::mixed_site().located_at(first.map_or_else(Span::mixed_site, |token| token.span()))
}

/// Puts everything where the user wrote something, which the compiler then points at.
pub(crate) fn located(tokens: TokenStream, place: Span) -> TokenStream {
    let locate = |token: TokenTree| {
        let span = token.span().located_at(place);
        let mut token = match token {
            TokenTree::Group(group) => {
                Group::new(group.delimiter(), located(group.stream(), place)).into()
            }
            other => other,
        };
        token.set_span(span);
        token
    };
    tokens.into_iter().map(locate).collect()
}
