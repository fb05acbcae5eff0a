//! `#[mco::main]` and `#[mco::test]`: the function's body becomes that of a root coroutine.
//!
//! ```text
//! fn main() -> impl Termination {
//!     fn main() -> Result<(), Error> { .. }
//!     ::mco::macro_support::main::<Result<(), Error>>(::mco::macro_support::MainOptions::new().workers(4), main)
//! }
//! ```
//!
//! The outer function has the attributes, visibility and documentation. The inner one has signature and body, so that
//! the compiler judges `?`, `return` and the last expression as it does in any function; its name shadows nothing that
//! was not shadowed already. What it returns need not be `Send`, so the runtime makes an exit code of it where it was
//! made, and that, or whatever the runtime prefers, is what the outer function returns.

use crate::args::{self, Args, Schema};
use crate::error::Faults;
use crate::foreign_attrs;
use crate::function::Function;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{ReturnType, Safety, Signature, Type};

/// One of the two attributes.
struct Entry {
    schema: Schema,
    /// Whether anybody passes arguments to the function.
    has_arguments: fn(&Function) -> bool,
    /// What to do about a parameter that gets none.
    instead: &'static str,
    expand: fn(&Args, &Function) -> TokenStream,
}

const MAIN: Entry = Entry {
    schema: args::MAIN,
    has_arguments: |_| false,
    instead: "remove the parameters, and ask `std::env::args`",
    expand: expand_main,
};

const TEST: Entry = Entry {
    schema: args::TEST,
    has_arguments: foreign_attrs::stands_below,
    instead: "remove the parameters, or let `#[rstest]` or `#[test_case]` supply them",
    expand: expand_test,
};

pub(crate) fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    MAIN.run(args, item)
}

pub(crate) fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    TEST.run(args, item)
}

impl Entry {
    fn run(&self, args: TokenStream, item: TokenStream) -> TokenStream {
        let mut faults = Faults::default();
        let args = Args::parse(args, &self.schema, &mut faults);
        args.krate.check(
            |name| format!("#[{name}::{}(crate = {name})]", self.schema.attribute),
            &mut faults,
        );

        let function = match syn::parse2::<Function>(item.clone()) {
            Ok(function) => function,
            Err(fault) => {
                faults.push(fault);
                return [item, faults.into_items()].into_iter().collect();
            }
        };
        self.check(&function, &mut faults);

        if faults.is_empty() {
            (self.expand)(&args, &function)
        } else {
            [function.salvaged(), faults.into_items()].into_iter().collect()
        }
    }

    /// Finds everything in the signature that an entry point cannot have.
    fn check(&self, function: &Function, faults: &mut Faults) {
        let it = format!("`#[mco::{}]`", self.schema.attribute);
        let Signature { constness, asyncness, safety, abi, ident, generics, inputs, .. } =
            &function.sig;
        if let Some(token) = constness {
            faults.add(
                token,
                format!("{it} starts a runtime, which a `const fn` cannot: remove `const`"),
            );
        }
        if let Some(token) = asyncness {
            let message =
                "coroutines block instead: remove `async`, and hand a future to `mco::block_on`";
            faults.add(token, format!("{it} takes no `async fn`, {message}"));
        }
        if let Safety::Unsafe(token) = safety {
            faults.add(
                token,
                format!("{it} cannot promise what an `unsafe fn` asks for: remove `unsafe`"),
            );
        }
        if let Some(abi) = abi {
            let tokens = abi.to_token_stream();
            faults.add(abi, format!("{it} takes functions of Rust's own ABI: remove `{tokens}`"));
        }
        if function.body.is_none() {
            faults.add(
                ident,
                format!("{it} needs the function's body: write `{{ .. }}` in place of `;`"),
            );
        }
        if let Some(receiver) = function.sig.receiver() {
            faults.add(
                receiver,
                format!("{it} takes no method: move the function out of its `impl`"),
            );
        } else if !(self.has_arguments)(function) {
            if !inputs.is_empty() {
                faults.add(inputs, format!("{it} passes no arguments: {}", self.instead));
            }
            let generic = format!(
                "{it} cannot choose what a generic function leaves open: use concrete types"
            );
            if !generics.params.is_empty() {
                faults.add(generics, generic);
            } else if let Some(clause) = &generics.where_clause {
                faults.add(clause, generic);
            }
        }
    }
}

fn expand_main(args: &Args, function: &Function) -> TokenStream {
    let krate = &args.krate;
    let options =
        quote_spanned!(Span::mixed_site()=> #krate::macro_support::MainOptions::new() #args);
    let run =
        run(function, &quote_spanned!(Span::mixed_site()=> #krate::macro_support::main), &options);
    function.replaced(None, Some(termination()), &run)
}

fn expand_test(args: &Args, function: &Function) -> TokenStream {
    let krate = &args.krate;
    if foreign_attrs::stands_below(function) {
        let source = &args.source;
        return function.with(&quote_spanned!(Span::mixed_site()=> #[#krate::test(#source)]));
    }
    // Last, so that the attributes before it see that this is a test already.
    let register = (!foreign_attrs::is_registered(function))
        .then(|| quote_spanned!(Span::mixed_site()=> #[::core::prelude::v1::test]));
    let name = function.sig.ident.unraw().to_string();
    let options = quote_spanned! {Span::mixed_site()=>
        #krate::macro_support::TestOptions::new(::core::concat!(::core::module_path!(), "::", #name)) #args
    };
    let run =
        run(function, &quote_spanned!(Span::mixed_site()=> #krate::macro_support::test), &options);
    match function.sig.output {
        // `#[should_panic]` insists on a test without a result.
        ReturnType::Default => {
            let run = quote_spanned!(Span::mixed_site()=> #run;);
            function.replaced(register, None, &run)
        }
        ReturnType::Type(..) => function.replaced(register, Some(termination()), &run),
    }
}

/// The inner function, and the call that runs it.
fn run(function: &Function, entry_point: &TokenStream, options: &TokenStream) -> TokenStream {
    let (inner, name) = (function.inner(), &function.sig.ident);
    // Where the type can be named, it is, so that the compiler points at it if it is no `Termination`.
    let result = match &function.sig.output {
        ReturnType::Type(_, result) if can_be_named(result) => {
            Some(quote_spanned!(Span::mixed_site()=> ::<#result>))
        }
        _ => None,
    };
    quote_spanned!(Span::mixed_site()=> #inner #entry_point #result (#options, #name))
}

/// Whether a type may stand elsewhere than behind `->`.
fn can_be_named(r#type: &Type) -> bool {
    fn says_impl(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == "impl",
            TokenTree::Group(group) => says_impl(group.stream()),
            _ => false,
        })
    }
    !matches!(r#type, Type::Never(_)) && !says_impl(r#type.to_token_stream())
}

fn termination() -> TokenStream {
    quote_spanned!(Span::mixed_site()=> -> impl ::std::process::Termination)
}
