//! Writes the code. See the parent module for what it looks like.

use super::operation::Operation;
use super::pattern::Binding;
use super::validate::{Choice, Ending, Select, Wait};
use crate::input::{at, located};
use crate::krate::Krate;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Expr, Token};

/// Quotes what is out of sight of the user's code.
macro_rules! ours {
    ($($token:tt)*) => {
        quote_spanned!(Span::mixed_site()=> $($token)*)
    };
}

impl ToTokens for Select {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let mut bodies = Bodies::default();
        let mut guards = Vec::new();
        let mut operations = TokenStream::new();
        let mut enabled = Vec::new();
        let mut outcomes = TokenStream::new();
        for (position, wait) in self.waits.iter().enumerate() {
            let name = operation(position);
            let value = wait.operation.expand(&self.krate);
            operations.extend(ours!(let mut #name = ::core::pin::pin!(#value);));
            let conditions: Vec<_> = wait.arms.iter().map(Choice::condition).collect();
            enabled.push(is_enabled(&conditions));
            outcomes.extend(wait.outcome(position, &conditions, &mut bodies));
            guards.extend(wait.arms.iter().filter_map(|arm| arm.guard.as_ref()));
        }
        let ending = self.default.as_ref().or(self.otherwise.as_ref());
        let Self { krate, biased, .. } = self;
        let ending = match ending {
            Some(ending) => {
                let chosen = bodies.add(&[], ending);
                ours!(break #chosen)
            }
            None => ours!(#krate::macro_support::select::no_arm_left()),
        };
        let has_default = self.default.is_some();
        let names = (0..self.waits.len()).map(operation);
        let traits = self.traits();
        let mut choice = ours! {{
            #traits
            #operations
            let mut enabled = [#(#enabled),*];
            let chosen = loop {
                let happened = #krate::macro_support::select::run(
                    &mut [#(#names.as_mut()),*],
                    &mut enabled,
                    #krate::macro_support::select::Mode { biased: #biased, default: #has_default },
                );
                match happened {
                    #outcomes
                    _ => #ending,
                }
            };
            chosen
        }};
        let operands = &self.operands.values;
        if !operands.is_empty() {
            choice = ours!(match (#(#operands,)*) { mut operands => #choice });
        }

        guards.sort_unstable_by_key(|(position, _)| *position);
        let guards = guards.into_iter().map(|(position, guard)| {
            let name = ident(&format!("guard{position}"));
            ours!(let #name = if #guard { true } else { false };)
        });
        let Bodies { types, variants, arms } = bodies;
        tokens.extend(ours! {{
            enum __Selected<#(#types),*> { #(#variants(#types)),* }
            #(#guards)*
            let chosen = #choice;
            match chosen { #(#arms)* }
        }});
    }
}

impl Select {
    /// Brings the methods of `Probe` into scope that are used.
    fn traits(&self) -> TokenStream {
        let mut names: Vec<&str> =
            self.waits.iter().filter_map(|wait| wait.operation.traits()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return TokenStream::new();
        }
        let krate = &self.krate;
        let native = names.iter().map(|name| ident(&format!("Native{name}")));
        let foreign = names.iter().map(|name| ident(&format!("Foreign{name}")));
        ours! {
            #[allow(unused_imports)]
            use #krate::macro_support::select::{#(#native as _, #foreign as _),*};
        }
    }
}

/// What comes after the choice.
#[derive(Default)]
struct Bodies {
    types: Vec<Ident>,
    variants: Vec<Ident>,
    arms: Vec<TokenStream>,
}

impl Bodies {
    /// Adds a body, and returns the value that makes it the chosen one.
    fn add(&mut self, bindings: &[Binding], ending: &Ending) -> TokenStream {
        let number = self.types.len();
        let variant = ident(&format!("B{number}"));
        let given = bindings.iter().map(|binding| &binding.ident);
        let taken = bindings.iter().map(|binding| {
            let Binding { mutability, ident } = binding;
            quote!(#mutability #ident)
        });
        let Ending { body, backs } = ending;
        let names: Vec<Ident> =
            (0..backs.len()).map(|number| ident(&format!("back{number}"))).collect();
        let values = backs.iter().map(|&(_, position)| {
            let operation = operation(position);
            ours!(#operation.as_mut().back())
        });
        let chosen = ours!(__Selected::#variant((#(#given,)* #(#values,)*)));
        let body = if backs.is_empty() {
            body.to_token_stream()
        } else {
            let variables = backs.iter().map(|(variable, _)| variable);
            ours!({ #(#[allow(unused_mut, unused_variables)] let mut #variables = #names;)* #body })
        };
        self.arms.push(ours!(__Selected::#variant((#(#taken,)* #(#names,)*)) => #body,));
        self.types.push(ident(&format!("A{number}")));
        self.variants.push(variant);
        chosen
    }
}

impl Choice {
    /// Whether the compiler will see, too, that nothing is refused.
    fn always_matches(&self) -> bool {
        self.guard.is_none() && self.pattern.is_plain()
    }

    /// The variable that holds whether the guard, evaluated once and before everything, lets the arm take part.
    fn condition(&self) -> Option<Ident> {
        self.guard.as_ref().map(|(position, _)| ident(&format!("guard{position}")))
    }
}

/// Whether one of the arms may be chosen.
fn is_enabled(conditions: &[Option<Ident>]) -> TokenStream {
    match conditions.iter().cloned().collect::<Option<Vec<Ident>>>() {
        Some(guards) => ours!(#(#guards)||*),
        None => ours!(true),
    }
}

impl Wait {
    /// The arm of the hidden `match` for this operation.
    fn outcome(
        &self,
        position: usize,
        conditions: &[Option<Ident>],
        bodies: &mut Bodies,
    ) -> TokenStream {
        let name = operation(position);
        let position = Literal::usize_unsuffixed(position);
        let here = at(&self.source);
        let output = quote_spanned!(here=> #name.as_mut().output());
        let arms = self.arms.iter().zip(conditions).map(|(arm, condition)| {
            let pattern = &arm.pattern.pat;
            let condition = condition.as_ref().map(|name| ours!(if #name));
            let chosen = bodies.add(&arm.pattern.bindings, &arm.ending);
            // A binding that the user does not want to be used is used here.
            let allow = (arm.pattern.bindings.iter())
                .any(|binding| binding.ident.to_string().starts_with('_'))
                .then(|| ours!(#[allow(clippy::used_underscore_binding)]));
            ours!(#allow #pattern #condition => break #chosen,)
        });
        let arms: TokenStream = arms.collect();
        let refuse = (!self.arms.iter().any(Choice::always_matches)).then(|| {
            ours! {
                #[allow(unreachable_patterns)]
                _ => enabled[#position] = false,
            }
        });
        ours!(#position => match #output { #arms #refuse },)
    }
}

impl Operation {
    /// What its traits are called, after `Native` and `Foreign`.
    fn traits(&self) -> Option<&'static str> {
        match self {
            Self::Plain { method, .. } if method == "recv" => Some("Recv"),
            Self::Plain { method, .. } if method == "accept" => Some("Accept"),
            Self::Plain { .. } => Some("Wait"),
            Self::Send { .. } => Some("Send"),
            _ => None,
        }
    }

    fn expand(&self, krate: &Krate) -> TokenStream {
        let select = ours!(#krate::macro_support::select);
        match self {
            Self::Plain { method, on, call } => {
                let arm = ident(&format!("{method}_arm"));
                let arm = ours!(probe.#arm(&#on));
                self.probed(&select, method, on, call, &arm)
            }
            Self::Send { on, value, call, .. } => {
                let arm = quote_spanned!(at(value)=> .send_arm(&#on, #value));
                self.probed(&select, &ident("send"), on, call, &ours!(probe #arm))
            }
            Self::Join { on } => {
                let arm = ours!(#select::join_arm(&#on));
                // Here the compiler says that a type cannot be waited for.
                located(ours!(#select::Operation::native(#arm)), at(on))
            }
            Self::Sleep { function, duration, call } => {
                let child = closure(Some(Token![move](at(call))), call);
                // The compiler sees that only one is taken: either may move what it needs.
                ours! {
                    if #select::is_sleep(&#function) {
                        #select::Operation::native(#select::sleep_arm(#duration))
                    } else {
                        #select::Operation::child(#child)
                    }
                }
            }
            Self::Child(call) => {
                let child = closure(None, call);
                ours!(#select::Operation::<#select::NeverArm<_>, _>::child(#child))
            }
        }
    }

    /// The arm if the method that is called has one, and else a child. How that is found out is written beside `Probe`.
    fn probed(
        &self,
        select: &TokenStream,
        method: &Ident,
        on: &Expr,
        call: &Expr,
        arm: &TokenStream,
    ) -> TokenStream {
        let Some(own) = self.traits().map(|name| ident(&format!("Own{name}"))) else {
            unreachable!("it has traits")
        };
        let is_native = ident(&format!("{method}_is_native"));
        let child_of = ident(&format!("{method}_child"));
        let lookup = looked_up(on, call);
        let child = closure(None, call);
        // The compiler sees that only one is taken: either may move what it needs.
        ours! {{
            let kind = {
                use #select::#own as _;
                #[allow(unreachable_code, unused_imports)]
                if true {
                    #select::kind()
                } else {
                    #select::never();
                    #select::kind_of(#lookup)
                }
            };
            let probe = #select::probe(&#on, kind);
            if (&probe).#is_native() {
                #select::Operation::native(#arm)
            } else {
                probe.#child_of(#child)
            }
        }}
    }
}

/// The call, of the same place, which a closure around the `select!` need not take by value for it.
fn looked_up(on: &Expr, call: &Expr) -> TokenStream {
    let mut call = call.clone();
    if let Expr::MethodCall(call) = &mut call {
        *call.receiver = Expr::Verbatim(quote_spanned!(at(on)=> (*&#on)));
    }
    call.into_token_stream()
}

fn closure(capture: Option<Token![move]>, body: &impl ToTokens) -> TokenStream {
    let head = quote_spanned!(at(body)=> #capture ||);
    quote!(#head #body)
}

fn operation(position: usize) -> Ident {
    format_ident!("operation{position}", span = Span::mixed_site())
}

fn ident(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
