//! `#[mco::main]` and `#[mco::test]`: the function's body becomes that of a root coroutine.
//!
//! The function keeps its name, attributes, signature and documentation. Its body moves into an inner function of the
//! same name, which shadows nothing that was not shadowed already, and in which the compiler judges `?`, `return` and
//! the last expression as it does in any function.

use crate::args::{self, Args, Key};
use crate::error::Faults;
use crate::function::Function;
use crate::table;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{ReturnType, Safety, Signature};

/// One of the two attributes.
struct Entry {
    name: &'static str,
    keys: &'static [Key],
    /// Whether anybody passes arguments to the function.
    has_arguments: fn(&Function) -> bool,
    /// What to do about a parameter that gets none.
    instead: &'static str,
    expand: fn(&Args, &Function) -> TokenStream,
}

const MAIN: Entry = Entry {
    name: "main",
    keys: args::MAIN,
    has_arguments: |_| false,
    instead: "remove the parameters, and ask `std::env::args`",
    expand: expand_main,
};

const TEST: Entry = Entry {
    name: "test",
    keys: args::TEST,
    has_arguments: table::may_pass_arguments,
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
        let args = Args::parse(args, self.name, self.keys, &mut faults);
        args.krate.check(
            |name| format!("`#[{name}::{}(crate = {name})]`", self.name),
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
            [function.salvaged(), faults.into_items()]
                .into_iter()
                .collect()
        }
    }

    /// Finds everything in the signature that an entry point cannot have.
    fn check(&self, function: &Function, faults: &mut Faults) {
        let it = format!("`#[mco::{}]`", self.name);
        let Signature {
            constness,
            asyncness,
            safety,
            abi,
            ident,
            generics,
            inputs,
            ..
        } = &function.sig;
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
            faults.add(
                abi,
                format!("{it} takes functions of Rust's own ABI: remove `{tokens}`"),
            );
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
                faults.add(
                    inputs,
                    format!("{it} passes no arguments: {}", self.instead),
                );
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
    let (inner, name) = (function.inner(), &function.sig.ident);
    let body = quote_spanned! {Span::mixed_site()=>
        #inner
        #krate::private::main(#krate::private::MainOptions::new() #args, #name)
    };
    function.with(&TokenStream::new(), &body)
}

fn expand_test(args: &Args, function: &Function) -> TokenStream {
    let krate = &args.krate;
    let ident = &function.sig.ident;
    let name = ident.unraw().to_string();
    let has_parameters = !function.sig.inputs.is_empty();
    let (inner, run) = if has_parameters {
        (TokenStream::new(), closure(function))
    } else {
        (function.inner(), ident.to_token_stream())
    };
    let body = quote_spanned! {Span::mixed_site()=>
        #inner
        #krate::private::test(
            #krate::private::TestOptions::new(::core::concat!(::core::module_path!(), "::", #name)) #args,
            #run,
        )
    };
    // A function with parameters is no test until another attribute has supplied them.
    let register = if has_parameters || table::is_registered(function) {
        TokenStream::new()
    } else {
        quote_spanned!(Span::mixed_site()=> #[::core::prelude::v1::test])
    };
    function.with(&register, &body)
}

/// The body as a closure that owns what the function is passed.
fn closure(function: &Function) -> TokenStream {
    let Function { sig, body, .. } = function;
    let output = match &sig.output {
        ReturnType::Default => quote_spanned!(Span::mixed_site()=> -> ()),
        // A closure cannot say `-> impl Termination`, and need not.
        output if mentions_impl(output.to_token_stream()) => TokenStream::new(),
        output => output.to_token_stream(),
    };
    quote_spanned!(Span::mixed_site()=> move || #output #body)
}

fn mentions_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => mentions_impl(group.stream()),
        _ => false,
    })
}
