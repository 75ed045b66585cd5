//! Reads what a function says: its documentation, its context, its arguments; and emits it again with its builder.

use crate::{
    arguments::{Argument, Arguments},
    doc::{self, Text},
    errors::Errors,
    shape::{self, Taken},
};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, FnArg, ItemFn, Pat, PatType, ReturnType, Safety, Signature, Type,
    parse::{ParseStream, Parser},
    spanned::Spanned,
};

/// Which of the attributes is at work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tool,
    Resource,
    Prompt,
    Completion,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Tool, Self::Resource, Self::Prompt, Self::Completion];

    /// The name of the attribute, which is also the name of the associated function.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
            Self::Completion => "completion",
        }
    }

    /// The attribute as people write it.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Self::Tool => "#[tool]",
            Self::Resource => "#[resource]",
            Self::Prompt => "#[prompt]",
            Self::Completion => "#[completion]",
        }
    }

    fn builder(self) -> TokenStream {
        match self {
            Self::Tool => quote!(::edgemcp::Tool),
            Self::Resource => quote!(::edgemcp::Resource),
            Self::Prompt => quote!(::edgemcp::Prompt),
            Self::Completion => quote!(::edgemcp::Completion),
        }
    }
}

/// A function under one of the attributes.
pub(crate) struct Item {
    kind: Kind,
    /// Without what only the attribute reads: documentation and `#[arg]` on parameters.
    function: ItemFn,
    pub(crate) doc: Option<Text>,
    pub(crate) arguments: Arguments,
    parameters: Vec<Parameter>,
}

/// One parameter in the order of the function.
enum Parameter {
    Context(Taken),
    State(Box<Type>),
    Argument(Ident),
}

impl Item {
    /// Reads the function under the attribute.
    ///
    /// # Errors
    /// What to emit when there is no free function to build on: the item as it is, and what is wrong with it.
    pub(crate) fn read(kind: Kind, tokens: TokenStream, errors: &mut Errors) -> Result<Self, TokenStream> {
        let mut function = match syn::parse2(tokens.clone()) {
            Ok(syn::Item::Fn(function)) => function,
            Ok(other) => return Err(refuse(&tokens, &not_a_function(kind, &other))),
            // The compiler says what is wrong with an item that does not parse.
            Err(error) => return Err(refuse(&tokens, &error)),
        };
        if let Some(error) = method(kind, &function.sig) {
            strip(&mut function.sig);
            return Err(refuse(&function.to_token_stream(), &error));
        }
        check(kind, &mut function, errors);
        let doc = doc::text(&function.attrs);
        let mut item = Self { kind, doc, arguments: Arguments::new(kind), parameters: Vec::new(), function };
        item.read_parameters(errors);
        strip(&mut item.function.sig);
        Ok(item)
    }

    /// The function's name.
    pub(crate) fn ident(&self) -> &Ident {
        &self.function.sig.ident
    }

    /// The closure a builder takes.
    pub(crate) fn handler(&self) -> TokenStream {
        let function = self.ident();
        let context = Ident::new("context", Span::mixed_site());
        let arguments = Ident::new("arguments", Span::mixed_site());
        let arguments_type = self.arguments.type_name();
        let state = |index: usize| Ident::new(&format!("state_{index}"), Span::mixed_site());
        let values = self.parameters.iter().enumerate().map(|(index, parameter)| match parameter {
            Parameter::Context(Taken::Borrowed) => quote!(&#context),
            Parameter::Context(Taken::Owned) => quote!(#context),
            Parameter::State(_) => state(index).to_token_stream(),
            Parameter::Argument(name) => quote!(#arguments.#name),
        });
        let states: Vec<_> = self.parameters.iter().enumerate().filter_map(|(index, parameter)| {
            let Parameter::State(ty) = parameter else { return None };
            let state = state(index);
            // `Server::build` has made sure that it is there.
            Some(quote! {
                let #state = match #context.state::<#ty>() {
                    ::core::result::Result::Ok(state) => state,
                    ::core::result::Result::Err(error) => return ::edgemcp::__private::Stated::lacking(error),
                };
            })
        }).collect();
        let takes_context =
            self.parameters.iter().any(|parameter| !matches!(parameter, Parameter::Argument(_)));
        let context = if takes_context { context.to_token_stream() } else { quote!(_) };
        let arguments = if self.arguments.is_empty() { quote!(_) } else { arguments.to_token_stream() };
        let wait = self.function.sig.asyncness.map(|_| quote!(.await));
        if !states.is_empty() {
            return quote_spanned! {self.result_span()=>
                |#context: ::edgemcp::Context, #arguments: #arguments_type| async move {
                    #(#states)*
                    ::edgemcp::__private::Stated::given(#function(#(#values),*) #wait)
                }
            };
        }
        quote_spanned! {self.result_span()=>
            |#context: ::edgemcp::Context, #arguments: #arguments_type| async move { #function(#(#values),*) #wait }
        }
    }

    /// Where the function says what it gives back, or its name where it says nothing: what an error of the builder's
    /// traits is about.
    pub(crate) fn result_span(&self) -> Span {
        let sig = &self.function.sig;
        let span = match &sig.output {
            ReturnType::Type(_, ty) => ty.span(),
            ReturnType::Default => sig.ident.span(),
        };
        Span::mixed_site().located_at(span)
    }

    /// Emits the function, and beside it the type whose associated function gives `builder`, an expression.
    pub(crate) fn emit(&self, builder: &TokenStream, errors: Errors) -> TokenStream {
        let ItemFn { attrs, vis, sig, .. } = &self.function;
        let function = &self.function;
        let name = &sig.ident;
        let noun = format_ident!("{}", self.kind.noun());
        let builder_type = self.kind.builder();
        // A function that is compiled only under a condition takes its type with it.
        let conditions: Vec<&Attribute> =
            attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
        let (mistakes, body) = match errors.into_tokens() {
            // The associated function is still there, so that what is wrong is said once.
            Some(mistakes) => (mistakes, quote!(loop {})),
            None => {
                let arguments = &self.arguments;
                let states = self.parameters.iter().filter_map(|parameter| match parameter {
                    Parameter::State(ty) => Some(quote!(.takes_state::<#ty>())),
                    _ => None,
                });
                (TokenStream::new(), quote!(#arguments (#builder) #(#states)*))
            }
        };
        let doc = format!("The {noun} that the function `{name}` is, to be registered with a server.");
        quote! {
            #function
            #mistakes

            #(#conditions)*
            #[allow(non_camel_case_types, dead_code)]
            #[doc(hidden)]
            #vis struct #name {}

            #(#conditions)*
            #[allow(deprecated)]
            impl #name {
                #[doc = #doc]
                #vis fn #noun() -> #builder_type {
                    #body
                }
            }
        }
    }

    fn read_parameters(&mut self, errors: &mut Errors) {
        let mut has_context = false;
        for input in &self.function.sig.inputs {
            let FnArg::Typed(input) = input else { continue };
            if let Some(state) = shape::state(&input.ty) {
                check_plain(input, "state", "app: State<App>", errors);
                match state {
                    Ok(ty) => self.parameters.push(Parameter::State(Box::new(ty.clone()))),
                    Err(way_out) => errors.on(&input.ty, way_out),
                }
                continue;
            }
            match shape::context(&input.ty) {
                Some(_) if has_context => errors.on(input, "the context comes once: remove this `Context`"),
                Some(taken) => {
                    has_context = true;
                    check_plain(input, "context", "cx: &Context", errors);
                    match taken {
                        Ok(taken) => self.parameters.push(Parameter::Context(taken)),
                        Err(way_out) => errors.on(&input.ty, way_out),
                    }
                }
                None => {
                    let Some(argument) = Argument::read(self.kind, input, errors) else { continue };
                    self.parameters.push(Parameter::Argument(argument.ident.clone()));
                    self.arguments.push(argument, errors);
                }
            }
        }
    }
}

/// The item as it is, beside what is wrong with it.
fn refuse(item: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#item #error)
}

fn not_a_function(kind: Kind, item: &syn::Item) -> syn::Error {
    let (place, noun) = (kind.place(), kind.noun());
    let what = match item {
        syn::Item::Const(_) => "a constant",
        syn::Item::Enum(_) => "an enum",
        syn::Item::ForeignMod(_) => "an extern block",
        syn::Item::Impl(_) => "an impl block",
        syn::Item::Macro(_) => "a macro",
        syn::Item::Mod(_) => "a module",
        syn::Item::Static(_) => "a static",
        syn::Item::Struct(_) => "a struct",
        syn::Item::Trait(_) => "a trait",
        syn::Item::Type(_) => "a type alias",
        syn::Item::Union(_) => "a union",
        syn::Item::Use(_) => "an import",
        syn::Item::Verbatim(_) => "a function without a body",
        _ => "something else",
    };
    let message = format!("{place} goes on a function, and this is {what}: a {noun} is what a function does");
    syn::Error::new(start(item).unwrap_or_else(Span::call_site), message)
}

/// Where an item begins, behind its attributes.
fn start(item: &syn::Item) -> Option<Span> {
    let behind = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<TokenStream>()
    };
    let behind = behind.parse2(item.to_token_stream()).ok()?;
    Some(behind.into_iter().next()?.span())
}

/// Says that methods cannot be used, if this is one: the type beside it has no place inside an `impl`.
fn method(kind: Kind, sig: &Signature) -> Option<syn::Error> {
    let place = kind.place();
    if let Some(receiver) = sig.receiver() {
        let message = format!(
            "{place} cannot take `self`: use a free function, and reach what it needs through `cx: &Context` or a static"
        );
        return Some(syn::Error::new_spanned(receiver, message));
    }
    let span = mentions_self(sig.to_token_stream())?;
    Some(syn::Error::new(
        span,
        format!("{place} cannot stand in an `impl`: use a free function, and name the type"),
    ))
}

fn mentions_self(tokens: TokenStream) -> Option<Span> {
    tokens.into_iter().find_map(|tree| match tree {
        TokenTree::Ident(ident) if ident == "Self" => Some(ident.span()),
        TokenTree::Group(group) => mentions_self(group.stream()),
        _ => None,
    })
}

/// Refuses what a call from a client cannot be.
fn check(kind: Kind, function: &mut ItemFn, errors: &mut Errors) {
    let (place, noun) = (kind.place(), kind.noun());
    let sig = &function.sig;
    if let Safety::Unsafe(keyword) = &sig.safety {
        errors.on(
            keyword,
            format_args!("a {noun} is called by a client, who can promise nothing: make this `fn` safe"),
        );
    }
    if let Some(abi) = &sig.abi {
        errors.on(abi, format_args!("{place} takes an ordinary function: remove `extern`"));
    }
    if let Some(variadic) = &sig.variadic {
        errors.on(variadic, "a list of arguments is one argument: take a `Vec`");
    }
    if !sig.generics.params.is_empty() {
        let lifetimes_only = sig.generics.lifetimes().count() == sig.generics.params.len();
        let way_out = match lifetimes_only {
            true => "`&Context` needs no named lifetime, and arguments are owned",
            false => "what a client sends has one type, so name it",
        };
        errors.on(&sig.generics.params, format_args!("a {noun} cannot be generic: {way_out}"));
    }
    // A second one must not expand: what it emits has the name that this one's has.
    function.attrs.retain(|attribute| {
        let last = attribute.path().segments.last().map(|segment| segment.ident.to_string());
        let Some(other) = Kind::ALL.into_iter().find(|kind| last.as_deref() == Some(kind.noun())) else {
            return true;
        };
        let other = other.place();
        errors.on(
            attribute.path(),
            format_args!("{place} and {other} on one function: write a function for each"),
        );
        false
    });
}

/// Checks a parameter that is no argument.
fn check_plain(input: &PatType, what: &str, example: &str, errors: &mut Errors) {
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("arg")) {
        errors.on(attribute, format_args!("`#[arg]` is for arguments, and this is the {what}: remove it"));
    }
    if !matches!(input.pat.as_ref(), Pat::Ident(_) | Pat::Wild(_)) {
        errors.on(&input.pat, format_args!("the {what} is one value: write `{example}`"));
    }
}

/// Removes from the parameters what only this attribute reads; the compiler refuses it there.
fn strip(sig: &mut Signature) {
    for input in &mut sig.inputs {
        let attributes = match input {
            FnArg::Receiver(receiver) => &mut receiver.attrs,
            FnArg::Typed(typed) => &mut typed.attrs,
        };
        attributes.retain(is_rustc);
    }
}

/// Whether rustc takes the attribute on a parameter.
pub(crate) fn is_rustc(attribute: &Attribute) -> bool {
    ["allow", "deny", "expect", "forbid", "warn"].iter().any(|known| attribute.path().is_ident(known))
}
