//! The function under an attribute: read no further than the attribute needs, and written back as it was.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, LitStr, Safety, Signature, Token, Visibility};

/// A function whose body is left alone: it may hold whatever the compiler understands, or, while it is being typed,
/// what nobody does.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// Missing where a `;` ends the function.
    pub(crate) body: Option<Group>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        if let Some(kind) = other_item(input) {
            return Err(input
                .error(format!("expected a function, found {kind}: put the attribute on a `fn`")));
        }
        let sig = input.parse()?;
        let body = match input.parse()? {
            TokenTree::Group(body) => Some(body),
            _semicolon => None,
        };
        Ok(Self { attrs, vis, sig, body })
    }
}

impl Function {
    /// The signature and body alone, for use inside of the function that takes its place.
    pub(crate) fn inner(&self) -> TokenStream {
        let Self { sig, body, .. } = self;
        quote!(#sig #body)
    }

    /// The function with one more attribute, below all others.
    pub(crate) fn with(&self, attr: &TokenStream) -> TokenStream {
        let Self { attrs, vis, sig, body } = self;
        quote!(#(#attrs)* #attr #vis #sig #body)
    }

    /// A plain function that has this one's place and name, and one more attribute.
    pub(crate) fn replaced(
        &self,
        attr: Option<TokenStream>,
        output: Option<TokenStream>,
        body: &TokenStream,
    ) -> TokenStream {
        let Self { attrs, vis, sig, .. } = self;
        let (fn_token, name) = (&sig.fn_token, &sig.ident);
        quote_spanned!(Span::mixed_site()=> #(#attrs)* #attr #vis #fn_token #name() #output { #body })
    }

    /// The function as it was, for use beside an error about it.
    ///
    /// The compiler has its own opinion of a `main` that is `async`, has parameters and so on. Such a one goes on being
    /// checked (and completed, in an editor) where it is no entry point, and an empty one takes its place.
    pub(crate) fn salvaged(mut self) -> TokenStream {
        let refused = self.is_refused_as_main();
        self.sig.constness = None;
        let missing = quote_spanned!(Span::mixed_site()=> { loop {} });
        let body = self.body.as_ref().map_or(missing, ToTokens::to_token_stream);
        let Self { attrs, vis, sig, .. } = self;
        let function = quote!(#(#attrs)* #vis #sig #body);
        if !refused {
            return function;
        }
        let main = &sig.ident;
        quote_spanned! {Span::mixed_site()=>
            const _: () = { #function };
            #vis fn #main() {}
        }
    }

    fn is_refused_as_main(&self) -> bool {
        let Signature { asyncness, safety, abi, ident, generics, inputs, .. } = &self.sig;
        let plain = asyncness.is_none() && matches!(safety, Safety::Default) && abi.is_none();
        let bare =
            inputs.is_empty() && generics.params.is_empty() && generics.where_clause.is_none();
        ident == "main" && self.sig.receiver().is_none() && !(plain && bare)
    }
}

/// What the item is, if it is no function.
fn other_item(input: ParseStream<'_>) -> Option<String> {
    let ahead = input.fork();
    while !ahead.is_empty() {
        if ahead.peek(Token![fn]) {
            return None;
        }
        // What may come before `fn`: `const`, `async`, `unsafe`, `extern "C"`.
        let before = ahead.peek(Token![const])
            || ahead.peek(Token![async])
            || ahead.peek(Token![unsafe])
            || ahead.peek(Token![extern])
            || ahead.peek(LitStr);
        if !before {
            break;
        }
        ahead.parse::<TokenTree>().ok()?;
    }
    Some(
        input
            .fork()
            .call(Ident::parse_any)
            .map_or("something else".into(), |kind| format!("`{kind}`")),
    )
}
