//! Expands `#[derive(Config)]`: a struct asks a `Reader` for each of its fields.

use crate::{
    doc::{self, Text},
    errors::Errors,
    options::{self, Setting},
    shape::{self, Shape},
};
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Expr, Field, Fields, LitStr, Meta, Type, spanned::Spanned};

const PLACE: &str = "#[config]";
const KNOWN_OF_STRUCTS: [&str; 1] = ["prefix"];
const KNOWN_OF_FIELDS: [&str; 4] = ["name", "default", "nested", "prefix"];

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let prefix = prefix_of(&input.attrs, &mut errors);
    let fields = fields(&input, &mut errors).into_iter();
    let variables: Vec<Variable> =
        fields.filter_map(|field| Variable::read(field, &prefix, &mut errors)).collect();
    check_names(&variables, &mut errors);
    let body = match errors.into_tokens() {
        // The trait is still there, so that what is wrong is said once.
        Some(mistakes) => return refused(&input, &mistakes),
        None => body(&variables),
    };
    implementation(&input, &body)
}

fn refused(input: &DeriveInput, mistakes: &TokenStream) -> TokenStream {
    let reader = reader();
    let implementation = implementation(input, &quote!(let _ = #reader; ::core::option::Option::None));
    quote!(#mistakes #implementation)
}

/// The parameter, under a name that no default of the user's can mean.
fn reader() -> Ident {
    Ident::new("reader", Span::mixed_site())
}

fn implementation(input: &DeriveInput, body: &TokenStream) -> TokenStream {
    let (reader, name) = (reader(), &input.ident);
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #generics ::edgemcp::config::Config for #name #arguments #bounds {
            fn read(#reader: &mut ::edgemcp::config::Reader<'_>) -> ::core::option::Option<Self> {
                #body
            }
        }
    }
}

/// Asks for every field, and only then sees which are there.
fn body(variables: &[Variable]) -> TokenStream {
    let value = |index: usize| format_ident!("value_{}", index, span = Span::mixed_site());
    let asked = variables.iter().enumerate().map(|(index, variable)| {
        let (value, ask) = (value(index), variable.ask());
        let ty = &variable.ty;
        let span = Span::mixed_site().located_at(ty.span());
        quote_spanned!(span=> let #value: ::core::option::Option<#ty> = #ask;)
    });
    let fields = variables.iter().enumerate().map(|(index, variable)| {
        let (value, ident) = (value(index), &variable.ident);
        quote!(#ident: #value?)
    });
    let reader = reader();
    let unused = variables.is_empty().then(|| quote!(let _ = #reader;));
    quote! {
        #unused
        #(#asked)*
        ::core::option::Option::Some(Self { #(#fields),* })
    }
}

/// The fields that can be variables.
fn fields<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Vec<&'a Field> {
    let what = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => {
                if !input.generics.params.is_empty() {
                    let message = "a configuration cannot be generic: what is read has one type, so name it";
                    errors.on(&input.generics.params, message);
                }
                return named.named.iter().collect();
            }
            Fields::Unnamed(_) => "this one's have no names",
            Fields::Unit => "this one has none",
        },
        Data::Enum(_) => "this is an enum",
        Data::Union(_) => "this is a union",
    };
    let name = &input.ident;
    let message = format_args!(
        "a configuration is a struct whose fields are its variables, and {what}: write `struct {name} {{ key: String }}`"
    );
    errors.on(name, message);
    Vec::new()
}

/// A field, and how it is asked for.
struct Variable {
    ident: Ident,
    ty: Type,
    description: Option<Text>,
    /// Of a nested configuration the prefix, of another field the whole name.
    name: String,
    /// Where the name is written.
    span: Span,
    kind: Kind,
}

enum Kind {
    Required,
    /// The type's own value, where no expression is given.
    Default(Option<Expr>),
    Nested,
}

impl Variable {
    fn read(field: &Field, prefix: &str, errors: &mut Errors) -> Option<Self> {
        let ident = field.ident.clone()?;
        let settings = settings(&field.attrs, errors);
        let mut nested = None;
        let mut default = None;
        let mut name = None;
        let mut inner_prefix = None;
        for setting in &settings {
            match setting.key.as_str() {
                "name" => name = setting.literal(errors).filter(|name| is_name(name, "name", errors)),
                "prefix" => inner_prefix = Some((setting, prefix_in(setting, true, errors))),
                "nested" => nested = setting.flag(errors).filter(|nested| *nested).map(|_| setting),
                "default" if setting.is_bare() => default = Some((setting, None)),
                "default" => {
                    let value = setting.value("default = …", errors);
                    check_default(&field.ty, value, errors);
                    default = value.map(|value| (setting, Some(value.clone())));
                }
                _ => setting.unknown(PLACE, &KNOWN_OF_FIELDS, errors),
            }
        }
        let kind = match (nested, default) {
            (Some(_), default) => {
                let takes = "a nested configuration has names and defaults of its own";
                if let Some(name) = &name {
                    let message = format_args!("{takes}: say `prefix = \"…_\"` for what stands before them");
                    errors.on(name, message);
                }
                if let Some((setting, _)) = default {
                    errors.at(setting.span(), format_args!("{takes}: give the defaults there"));
                }
                Kind::Nested
            }
            (None, default) => {
                if let Some((setting, _)) = &inner_prefix {
                    let message =
                        "`prefix` is for a nested configuration: say `nested` too, or `name = \"…\"`";
                    errors.at(setting.span(), message);
                }
                default.map_or(Kind::Required, |(_, value)| Kind::Default(value))
            }
        };
        let given = match kind {
            Kind::Nested => inner_prefix.and_then(|(_, prefix)| prefix),
            _ => name,
        };
        let (name, span) = match given {
            Some(given) => (given.value(), given.span()),
            None => {
                let end = if matches!(kind, Kind::Nested) { "_" } else { "" };
                (format!("{prefix}{}{end}", capitals(&ident, errors)), ident.span())
            }
        };
        let (ty, description) = (field.ty.clone(), doc::text(&field.attrs));
        Some(Self { ident, ty, description, name, span, kind })
    }

    /// The expression that asks `reader` for it.
    fn ask(&self) -> TokenStream {
        let Self { ty, name, .. } = self;
        let reader = reader();
        let span = Span::mixed_site().located_at(ty.span());
        let description = self.description.iter();
        let asked = quote!(#reader.var(#name) #(.description(#description))*);
        match &self.kind {
            Kind::Nested => quote_spanned!(span=> #reader.nested::<#ty>(#name)),
            Kind::Required => quote_spanned!(span=> #asked.read::<#ty, _>()),
            Kind::Default(None) => {
                quote_spanned!(span=> #asked.or_else::<#ty, _>("", ::core::default::Default::default))
            }
            Kind::Default(Some(value)) => {
                let (shown, value) = match options::string(value) {
                    Some(text) => (text.value(), quote!(::core::convert::Into::into(#text))),
                    None => (source(value.to_token_stream()), value.to_token_stream()),
                };
                quote_spanned!(span=> #asked.or_else::<#ty, _>(#shown, || #value))
            }
        }
    }
}

/// An expression nearly as it is written: of the spaces only those that must be, and one behind a comma.
fn source(tokens: TokenStream) -> String {
    let mut text = String::new();
    for tree in tokens {
        let is_word = matches!(tree, TokenTree::Ident(_) | TokenTree::Literal(_));
        let is_word_before =
            text.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | '"' | '\''));
        if is_word && is_word_before || text.ends_with(',') {
            text.push(' ');
        }
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                text.push_str(&source(group.stream()));
                text.push_str(close);
            }
            other => text.push_str(&other.to_string()),
        }
    }
    text
}

/// What all `#[config(…)]` among these attributes say.
fn settings(attributes: &[Attribute], errors: &mut Errors) -> Vec<Setting> {
    let mut tokens = TokenStream::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("config")) {
        match &attribute.meta {
            Meta::List(list) => {
                let list = &list.tokens;
                tokens.extend(quote!(#list,));
            }
            _ => errors.on(attribute, "options stand in parentheses: write `#[config(name = \"…\")]`"),
        }
    }
    options::read(tokens, PLACE, &[], errors)
}

/// Refuses a text where it is clear that none is meant: a default is a value, not what would be written for it.
fn check_default(ty: &Type, value: Option<&Expr>, errors: &mut Errors) {
    let Some(text) = value.and_then(options::string) else { return };
    let printed = shape::print(ty);
    let form = match shape::shape(ty) {
        _ if shape::is_option(ty) => return,
        Shape::Number => "default = 20",
        Shape::Boolean => "default = true",
        Shape::List => "default = vec![…]",
        _ if printed.ends_with("Duration") => "default = Duration::from_secs(30)",
        _ => return,
    };
    errors.at(
        text.span(),
        format_args!("a default is a value of its field's type, `{printed}`: write e.g. `{form}`"),
    );
}

/// The prefix of a struct's own variables.
fn prefix_of(attributes: &[Attribute], errors: &mut Errors) -> String {
    let mut prefix = None;
    for setting in settings(attributes, errors) {
        match setting.key.as_str() {
            "prefix" => prefix = prefix_in(&setting, false, errors),
            "name" | "default" | "nested" => {
                let key = &setting.key;
                errors.at(
                    setting.span(),
                    format_args!("`{key}` is for a field: a struct takes `prefix = \"…_\"`"),
                );
            }
            _ => setting.unknown(PLACE, &KNOWN_OF_STRUCTS, errors),
        }
    }
    prefix.map(|prefix| prefix.value()).unwrap_or_default()
}

/// The prefix that an option gives. An empty one says that a nested configuration has none.
fn prefix_in(setting: &Setting, may_be_empty: bool, errors: &mut Errors) -> Option<LitStr> {
    if may_be_empty
        && let Some(prefix) =
            setting.given().and_then(options::string).filter(|prefix| prefix.value().is_empty())
    {
        return Some(prefix);
    }
    let prefix = setting.literal(errors).filter(|prefix| is_name(prefix, "prefix", errors))?;
    let text = prefix.value();
    if !text.ends_with('_') {
        errors.at(
            prefix.span(),
            format_args!("prefix {text:?} would run into the names behind it: write \"{text}_\""),
        );
    }
    Some(prefix)
}

/// Whether every platform takes it for the name of a variable.
fn is_name(name: &LitStr, what: &str, errors: &mut Errors) -> bool {
    let text = name.value();
    let rule = "is made of letters, digits and `_`, as in \"NOTES_KEY\"";
    if let Some(letter) = text.chars().find(|letter| !letter.is_ascii_alphanumeric() && *letter != '_') {
        errors.at(
            name.span(),
            format_args!("{what} {text:?} contains {letter:?}, and the name of a variable {rule}"),
        );
        return false;
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let message = format_args!("{what} {text:?} begins with a digit, which no name of a variable does");
        errors.at(name.span(), message);
        return false;
    }
    true
}

/// The name of a field as a variable has it.
fn capitals(ident: &Ident, errors: &mut Errors) -> String {
    let name = ident.to_string();
    let name = name.strip_prefix("r#").unwrap_or(&name);
    if !name.is_ascii() {
        errors.on(
            ident,
            format_args!("no variable is called `{name}`: give it a name, `#[config(name = \"…\")]`"),
        );
    }
    name.to_ascii_uppercase()
}

/// Refuses two fields that read one variable.
fn check_names(variables: &[Variable], errors: &mut Errors) {
    let plain = |variable: &&Variable| !matches!(variable.kind, Kind::Nested);
    for (index, variable) in variables.iter().enumerate().filter(|(_, variable)| plain(variable)) {
        let earlier =
            variables.iter().take(index).filter(plain).find(|earlier| earlier.name == variable.name);
        if let Some(earlier) = earlier {
            let message = format_args!(
                "`{}` and `{}` would both be read from `{}`: name one of them, `#[config(name = \"…\")]`",
                earlier.ident, variable.ident, variable.name
            );
            errors.at(variable.span, message);
        }
    }
}
