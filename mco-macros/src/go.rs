//! `go!`: something to run and, perhaps, where and how; spawned.

use crate::call;
use crate::error::{self, Faults};
use crate::input::{Code, Input, Work, at};
use crate::krate::Krate;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ExprAssign};

/// Expands `go!`, whose `name` may also be one of its old ones.
pub(crate) fn expand(name: &str, input: TokenStream) -> TokenStream {
    syn::parse2(input)
        .and_then(|input| Go::new(name, input))
        .map_or_else(|error| error::block(&error), ToTokens::into_token_stream)
}

/// A valid `go!`.
struct Go {
    krate: Krate,
    target: Target,
    work: Work,
}

/// Where it runs.
enum Target {
    Anywhere,
    /// What implements `Spawn`.
    On(Expr),
    /// As an arm of a cqueue, with its token.
    Arm(Expr, Expr),
}

impl Go {
    fn new(name: &str, Input { krate, code }: Input) -> syn::Result<Self> {
        let mut faults = Faults::default();
        krate.check(|path| format!("{name}!(crate = {path}, ..)"), &mut faults);
        let (target, work) = match code {
            Code::Statements(statements) => (Target::Anywhere, Work::statements(&statements)),
            Code::Operands(operands) => {
                let (target, work) = arrange(operands, name)?;
                let work = match target {
                    Target::Arm(..) => Work::Callable(work),
                    _ => Work::new(work, name, &mut faults),
                };
                (target, work)
            }
        };
        if let Work::MethodCall(call) = &work
            && call::is_afterthought(call)
        {
            let method = &call.method;
            let message = format!(
                "the coroutine would run only `{method}`, on what is computed before it starts: write `{name}!({{ .. }})` \
                 to run all of it there"
            );
            faults.add(method, message);
        }
        faults.finish().map(|()| Self { krate, target, work })
    }
}

impl ToTokens for Go {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { krate, target, work } = self;
        let work = match work {
            Work::Closure(closure) => closure.to_token_stream(),
            Work::Callable(value) => value.to_token_stream(),
            Work::Block(block) => {
                let moved = quote_spanned!(at(block)=> move ||);
                quote!(#moved #block)
            }
            Work::Call(call) => call::of_function(call.clone()),
            Work::MethodCall(call) => call::of_method(call.clone()),
        };
        tokens.extend(match target {
            Target::Anywhere => {
                quote_spanned!(Span::mixed_site()=> #krate::coroutine::spawn(#work))
            }
            Target::Arm(cqueue, token) => {
                quote_spanned!(Span::mixed_site()=> #krate::cqueue::Cqueue::add(&#cqueue, #token, #work))
            }
            Target::On(target) => {
                quote_spanned!(Span::mixed_site()=> #krate::coroutine::Spawn::spawn_on(#target, #work))
            }
        });
    }
}

/// Tells the target, if there is one, from what is to run.
fn arrange(operands: Vec<Expr>, name: &str) -> syn::Result<(Target, Expr)> {
    let forms = format!(
        "`{name}!(|| ..)`, `{name}!(call(x))`, `{name}! {{ .. }}` or `{name}!(target, || ..)`"
    );
    if let [Expr::Assign(ExprAssign { left, .. }), _, ..] = operands.as_slice() {
        let key = left.to_token_stream();
        let message = format!(
            "unknown key `{key}`: `{name}!` takes `crate`, and a target has none, `{name}!(target, || ..)`"
        );
        return Err(syn::Error::new_spanned(left, message));
    }
    if let [closure @ Expr::Closure(_), other] = operands.as_slice()
        && !matches!(other, Expr::Closure(_))
    {
        return Err(syn::Error::new_spanned(
            closure,
            format!("the closure comes last: `{name}!(target, || ..)`"),
        ));
    }
    if let Some(third) = operands.get(2)
        && !matches!(operands.as_slice(), [_, _, Expr::Closure(arm)] if arm.inputs.len() == 1)
    {
        let message = format!(
            "`{name}!` takes at most a target and what to run, or a cqueue, a token and a closure: {forms}, \
             or `{name}!(cqueue, token, |events| ..)`"
        );
        return Err(syn::Error::new_spanned(third, message));
    }
    let mut operands = operands.into_iter();
    match (operands.next(), operands.next(), operands.next()) {
        (Some(cqueue), Some(token), Some(closure)) => Ok((Target::Arm(cqueue, token), closure)),
        (Some(target), Some(work), _) => Ok((Target::On(target), work)),
        (Some(work), None, _) => Ok((Target::Anywhere, work)),
        (None, ..) => {
            let message = format!("`{name}!` needs something to run: {forms}");
            Err(syn::Error::new(Span::call_site(), message))
        }
    }
}
