//! Makes a type of the arguments of a function, so that one derive reads them and one describes them.

use crate::{
    doc::{self, Text},
    errors::Errors,
    item::{self, Kind},
    options::{self, Setting},
    shape::{self, Shape},
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Expr, Lit, LitInt, LitStr, Meta, Pat, PatType, Type, UnOp, spanned::Spanned};

/// What every argument takes that is in a schema or a list.
const KNOWN: [&str; 7] = ["rename", "description", "default", "example", "length", "range", "pattern"];

/// What those of a tool take.
const KNOWN_OF_TOOLS: [&str; 8] =
    ["rename", "description", "default", "example", "length", "range", "pattern", "header"];

/// What those of a completion take: nobody sees them, and what is half typed meets no constraint.
const KNOWN_OF_COMPLETIONS: [&str; 2] = ["rename", "default"];

fn known(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Tool => &KNOWN_OF_TOOLS,
        Kind::Resource | Kind::Prompt => &KNOWN,
        Kind::Completion => &KNOWN_OF_COMPLETIONS,
    }
}

/// The arguments of a function, in its order.
pub(crate) struct Arguments {
    kind: Kind,
    list: Vec<Argument>,
}

/// One argument.
pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// What clients call it.
    pub(crate) name: String,
    pub(crate) has_default: bool,
    ty: Type,
    description: Option<Text>,
    rename: Option<LitStr>,
    default: Option<Expr>,
    examples: Vec<Expr>,
    /// The header it is repeated in.
    header: Option<LitStr>,
    /// What `#[schemars(…)]` says about its values.
    constraints: Vec<TokenStream>,
}

impl Arguments {
    /// Those of a function that has none yet.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, list: Vec::new() }
    }

    /// Adds one, unless its name is taken.
    pub(crate) fn push(&mut self, argument: Argument, errors: &mut Errors) {
        if self.list.iter().any(|earlier| earlier.name == argument.name) {
            let span = argument.rename.as_ref().map_or_else(|| argument.ident.span(), LitStr::span);
            errors.at(span, format_args!("two arguments are named `{}`: rename one", argument.name));
        }
        self.list.push(argument);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Argument> {
        self.list.iter()
    }

    /// The type that a handler takes.
    pub(crate) fn type_name(&self) -> TokenStream {
        // Items have no hygiene: the name must be one that no type of the user's has.
        if self.is_empty() { quote!(::edgemcp::NoArguments) } else { quote!(__Arguments) }
    }
}

/// The type and the functions that give its defaults; nothing where there are no arguments.
impl ToTokens for Arguments {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        if self.is_empty() {
            return;
        }
        let name = self.type_name();
        let default_name = |index: usize| format_ident!("__default_{index}");
        let defaults = self.list.iter().enumerate().filter_map(|(index, argument)| {
            let (value, ty, function) = (argument.default.as_ref()?, &argument.ty, default_name(index));
            let value = match options::string(value) {
                Some(text) => quote!(::core::convert::Into::into(#text)),
                None => value.to_token_stream(),
            };
            Some(quote!(fn #function() -> #ty { #value }))
        });
        let fields = self.list.iter().enumerate().map(|(index, argument)| {
            let Argument { ident, ty, rename, description, examples, header, constraints, .. } = argument;
            let default = argument.has_default.then(|| match &argument.default {
                Some(_) => {
                    let function = default_name(index).to_string();
                    quote!(#[serde(default = #function)])
                }
                None => quote!(#[serde(default)]),
            });
            let rename = rename.iter();
            let description = description.iter();
            let header = header.iter();
            // schemars takes a lone string for the path of a function.
            let examples = examples.iter().map(|example| match options::string(example) {
                Some(text) => quote!(&#text),
                None => example.to_token_stream(),
            });
            quote! {
                #default
                #(#[serde(rename = #rename)])*
                #(#[schemars(description = #description)])*
                #(#[schemars(example = #examples)])*
                #(#[schemars(extend("x-mcp-header" = #header))])*
                #(#[schemars(#constraints)])*
                #ident: #ty
            }
        });
        let checks = self.list.iter().map(|Argument { ty, .. }| {
            let span = Span::mixed_site().located_at(ty.span());
            quote_spanned!(span=> const _: () = ::edgemcp::__private::argument::<#ty>();)
        });
        // What else was chosen of a prompt's arguments comes with what is completed, whether or not the function asks.
        let strict = (self.kind != Kind::Completion).then(|| quote!(#[serde(deny_unknown_fields)]));
        tokens.extend(quote! {
            #(#checks)*
            #(#defaults)*
            #[derive(::edgemcp::__private::serde::Deserialize, ::edgemcp::__private::schemars::JsonSchema)]
            #[serde(crate = "::edgemcp::__private::serde", rename = "arguments")]
            #strict
            #[schemars(crate = "::edgemcp::__private::schemars")]
            #[allow(deprecated, non_snake_case)]
            struct #name { #(#fields),* }
        });
    }
}

impl Argument {
    /// Reads a parameter that is not the context.
    pub(crate) fn read(kind: Kind, input: &PatType, errors: &mut Errors) -> Option<Self> {
        let ident = name(input, errors);
        check_type(kind, ident.as_ref(), &input.ty, errors);
        let settings = settings(kind, input, errors);
        let ident = ident?;
        let text = ident.to_string();
        let mut argument = Self {
            name: text.strip_prefix("r#").unwrap_or(&text).to_owned(),
            ident,
            has_default: false,
            ty: (*input.ty).clone(),
            description: doc::text(&input.attrs),
            rename: None,
            default: None,
            examples: Vec::new(),
            header: None,
            constraints: Vec::new(),
        };
        for setting in settings {
            argument.set(kind, &setting, errors);
        }
        Some(argument)
    }

    /// Whether it may be left out, as far as its type's name tells.
    pub(crate) fn may_be_left_out(&self) -> bool {
        self.has_default || shape::is_option(&self.ty)
    }

    /// Whether any text could be one, as far as its type's name tells.
    pub(crate) fn may_be_any_text(&self) -> bool {
        matches!(shape::shape(&self.ty), Shape::Text | Shape::Other)
    }

    /// The type, as people write it.
    pub(crate) fn type_text(&self) -> String {
        shape::print(&self.ty)
    }

    fn set(&mut self, kind: Kind, setting: &Setting, errors: &mut Errors) {
        let (key, known) = (setting.key.as_str(), known(kind));
        if key == "header" && kind != Kind::Tool {
            let message = "`header` is for the arguments of tools, by which gateways route: remove it";
            return errors.at(setting.span(), message);
        }
        if !known.contains(&key) {
            return setting.unknown("#[arg]", known, errors);
        }
        match key {
            "rename" => {
                self.rename = setting.literal(errors);
                if let Some(rename) = &self.rename {
                    self.name = rename.value();
                }
            }
            "description" => {
                if let Some(text) = setting.text(errors) {
                    self.description = Some(text);
                }
            }
            "default" => {
                self.has_default = true;
                if !setting.is_bare() {
                    self.default = setting.value("default = …", errors).cloned();
                }
            }
            "example" => self.examples.extend(setting.value("example = …", errors).cloned()),
            "length" => self.constrain_length(setting, errors),
            "range" => self.constrain_range(setting, errors),
            "pattern" => self.constrain_pattern(setting, errors),
            "header" => self.repeat(setting, errors),
            _ => {}
        }
    }

    fn repeat(&mut self, setting: &Setting, errors: &mut Errors) {
        let Some(header) = setting.literal(errors) else { return };
        let name = header.value();
        match name.chars().find(|letter| !is_token(*letter)) {
            Some(letter) => errors.at(
                header.span(),
                format_args!(
                    "header {name:?} contains {letter:?}, and the name of a header is a token (RFC 9110): letters, \
                     digits and `-`, as in `header = \"Tenant-Id\"`"
                ),
            ),
            None => self.header = Some(header),
        }
    }

    fn constrain_length(&mut self, setting: &Setting, errors: &mut Errors) {
        let shape = shape::shape(&self.ty);
        match shape {
            Shape::Text | Shape::List | Shape::Map | Shape::Other => {}
            Shape::Number => {
                return self.misplaced(setting, "texts, lists and maps", ": use `range(…)`", errors);
            }
            Shape::Boolean => return self.misplaced(setting, "texts, lists and maps", ": remove it", errors),
        }
        let Some(Bounds { min, max }) = bounds(setting, "length(min = 1, max = 100)", true, errors) else {
            return;
        };
        let (min, max) = (min.iter(), max.iter());
        self.constraints.push(match shape {
            // schemars has no word for the entries of a map.
            Shape::Map => quote!(extend(#("minProperties" = #min,)* #("maxProperties" = #max,)*)),
            _ => quote!(length(#(min = #min,)* #(max = #max,)*)),
        });
    }

    fn constrain_range(&mut self, setting: &Setting, errors: &mut Errors) {
        match shape::shape(&self.ty) {
            Shape::Number | Shape::Other => {}
            Shape::Boolean => return self.misplaced(setting, "numbers", ": remove it", errors),
            _ => return self.misplaced(setting, "numbers", ": use `length(…)`", errors),
        }
        let Some(Bounds { min, max }) = bounds(setting, "range(min = 0, max = 100)", false, errors) else {
            return;
        };
        let (min, max) = (min.iter(), max.iter());
        self.constraints.push(quote!(range(#(min = #min,)* #(max = #max,)*)));
    }

    fn constrain_pattern(&mut self, setting: &Setting, errors: &mut Errors) {
        if !matches!(shape::shape(&self.ty), Shape::Text | Shape::Other) {
            return self.misplaced(setting, "texts", ": remove it", errors);
        }
        if let Some(text) = setting.text(errors) {
            self.constraints.push(quote!(regex(pattern = #text)));
        }
    }

    fn misplaced(&self, setting: &Setting, for_what: &str, way_out: &str, errors: &mut Errors) {
        let (key, name, ty) = (&setting.key, &self.name, shape::print(&self.ty));
        errors.at(setting.span(), format_args!("`{key}` is for {for_what}, and `{name}` is `{ty}`{way_out}"));
    }
}

/// A letter of a header's name (RFC 9110 section 5.6.2, `tchar`).
fn is_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter)
}

/// The name of a parameter, which is what clients send.
fn name(input: &PatType, errors: &mut Errors) -> Option<Ident> {
    match input.pat.as_ref() {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => return Some(pat.ident.clone()),
        Pat::Ident(pat) => {
            let name = &pat.ident;
            errors.on(
                pat,
                format_args!("an argument is a plain name: write `{name}`, and the rest inside the function"),
            );
        }
        Pat::Wild(pat) => {
            errors.on(pat, "an argument needs a name, because clients send it by name: name it");
        }
        pat => errors.on(
            pat,
            "an argument needs one name, because clients send it by name: take it apart inside the function",
        ),
    }
    None
}

fn check_type(kind: Kind, ident: Option<&Ident>, ty: &Type, errors: &mut Errors) {
    let name = ident.map(|ident| format!(" `{ident}`")).unwrap_or_default();
    if shape::is_several(ty) {
        let noun = kind.noun();
        errors.on(
            ty,
            format_args!(
                "argument{name} has no type of its own: a {noun} cannot be generic, so name the type"
            ),
        );
    } else if let Some(owned) = shape::owned(ty) {
        let owned = shape::print(&owned);
        let hint = match ty {
            Type::Reference(reference) if shape::shape(&reference.elem) == Shape::Other => {
                " (only the context comes by reference, and it is known by its name: `&Context`)"
            }
            _ => "",
        };
        errors.on(
            ty,
            format_args!(
                "argument{name} is borrowed, and there is nobody to borrow from: take `{owned}`{hint}"
            ),
        );
    }
}

/// What every `#[arg(…)]` on the parameter says. Other attributes than `#[arg]` are refused with what to write instead.
fn settings(kind: Kind, input: &PatType, errors: &mut Errors) -> Vec<Setting> {
    let mut tokens = TokenStream::new();
    for attribute in &input.attrs {
        let path = attribute.path();
        let name = path.to_token_stream().to_string().replace(' ', "");
        if path.is_ident("arg") {
            match &attribute.meta {
                Meta::List(list) => {
                    let list = &list.tokens;
                    let comma = (!tokens.is_empty() && !list.is_empty()).then(|| quote!(,));
                    tokens.extend(quote!(#comma #list));
                }
                _ => errors.on(
                    attribute,
                    "`#[arg]` takes its options in parentheses: `#[arg(description = \"…\")]`",
                ),
            }
        } else if ["serde", "schemars", "validate", "garde"].contains(&name.as_str()) {
            let known: Vec<_> = known(kind).iter().map(|key| format!("`{key}`")).collect();
            let known = known.join(", ");
            errors.on(
                path,
                format_args!("`#[{name}]` does nothing here: write `#[arg(…)]`, which takes {known}"),
            );
        } else if name == "cfg" || name == "cfg_attr" {
            errors.on(path, "an argument is there in every build: put `#[cfg]` on the function");
        } else if !doc::is_doc(attribute) && !item::is_rustc(attribute) {
            errors.on(
                path,
                format_args!("`#[{name}]` means nothing on an argument: remove it, or write `#[arg(…)]`"),
            );
        }
    }
    options::read(tokens, "#[arg]", &["example"], errors)
}

/// The two ends of `length(…)` or `range(…)`.
struct Bounds {
    min: Option<TokenStream>,
    max: Option<TokenStream>,
}

fn bounds(setting: &Setting, form: &str, is_length: bool, errors: &mut Errors) -> Option<Bounds> {
    let tokens = setting.list(form, errors)?;
    let place = format!("`{}`", setting.key);
    let known: &[&str] = if is_length { &["min", "max", "equal"] } else { &["min", "max"] };
    let ends = options::read(tokens, &place, &[], errors);
    let (mut min, mut max) = (None, None);
    for end in &ends {
        if !known.contains(&end.key.as_str()) {
            end.unknown(&place, known, errors);
            return None;
        }
        let value = end.value(&format!("{} = …", end.key), errors)?;
        let wrong = match number(value) {
            Some(number) if is_length && (number < 0.0 || number.fract() != 0.0) => {
                "a length is a whole number"
            }
            None if is_literal(value) => "a bound is a number",
            _ => "",
        };
        if !wrong.is_empty() {
            errors.at(end.span(), format_args!("{wrong}: write `{form}`"));
            return None;
        }
        match end.key.as_str() {
            "min" => min = Some(value),
            "max" => max = Some(value),
            _ if ends.len() > 1 => {
                errors.at(end.span(), "`equal` says both ends: remove the others");
                return None;
            }
            _ => (min, max) = (Some(value), Some(value)),
        }
    }
    if ends.is_empty() {
        errors.at(setting.span(), format_args!("{place} says nothing: write `{form}`"));
        return None;
    }
    if min.and_then(number).zip(max.and_then(number)).is_some_and(|(min, max)| min > max) {
        errors.at(setting.span(), format_args!("no value is in this {place}: `min` is above `max`"));
        return None;
    }
    Some(Bounds { min: min.map(wide), max: max.map(wide) })
}

/// The bound as it is, but for a plain integer, which would be an `i32` here and may be too large for one.
fn wide(value: &Expr) -> TokenStream {
    match value {
        Expr::Unary(unary) if is_literal(value) => {
            let (sign, number) = (&unary.op, wide(&unary.expr));
            quote!(#sign #number)
        }
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) if number.suffix().is_empty() => {
                let suffix = if number.base10_parse::<i64>().is_ok() { "i64" } else { "u64" };
                LitInt::new(&format!("{}{suffix}", number.base10_digits()), number.span()).into_token_stream()
            }
            other => other.to_token_stream(),
        },
        other => other.to_token_stream(),
    }
}

fn is_literal(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) => true,
        Expr::Unary(unary) => is_literal(&unary.expr),
        _ => false,
    }
}

fn number(value: &Expr) -> Option<f64> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            Lit::Float(number) => number.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => number(&unary.expr).map(|number| -number),
        Expr::Group(group) => number(&group.expr),
        _ => None,
    }
}
