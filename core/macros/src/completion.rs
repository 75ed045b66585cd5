//! Expands `#[completion]`, and holds what it completes against the parameters of its function.

use crate::{
    arguments::Argument,
    errors::Errors,
    item::{Item, Kind},
    nearest::nearest,
    options, uri,
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::LitStr;

const KNOWN: [&str; 3] = ["prompt", "resource", "argument"];

/// The prompt or the resource that an argument is completed of.
struct Of {
    /// `prompt` or `resource`, which is also what the constructor is called.
    key: Ident,
    name: LitStr,
}

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let place = Kind::Completion.place();
    let mut errors = Errors::default();
    let item = match Item::read(Kind::Completion, item, &mut errors) {
        Ok(item) => item,
        Err(refused) => return refused,
    };
    let says_nothing = options.is_empty();
    let settings = options::read(options, place, &[], &mut errors);
    let (mut of, mut argument) = (None, None);
    for setting in &settings {
        match setting.key.as_str() {
            "argument" => argument = setting.literal(&mut errors),
            "prompt" | "resource" => {
                let name = setting.literal(&mut errors);
                of = of.or(name.map(|name| Of { key: format_ident!("{}", setting.key), name }));
            }
            _ => setting.unknown(place, &KNOWN, &mut errors),
        }
    }
    let mut named = settings.iter().filter(|setting| ["prompt", "resource"].contains(&setting.key.as_str()));
    match (named.next(), named.next()) {
        // What could not be read has been said.
        (None, _) if settings.is_empty() && !says_nothing => {}
        (None, _) => errors.at(
            Span::call_site(),
            "a completion needs what it is for: write `#[completion(prompt = \"trip\")]` or \
             `#[completion(resource = \"user://{id}/profile\")]`",
        ),
        (Some(first), Some(second)) => errors.at(
            second.span(),
            format_args!(
                "a completion is for one thing, and this has a `{}`: keep one of the two",
                first.key
            ),
        ),
        (Some(_), None) => {}
    }
    let completed = completed(&item, argument.as_ref(), &mut errors);
    if let Some(completed) = completed {
        check_parameters(&item, completed, &mut errors);
    }
    if let Some(of) = of.as_ref().filter(|of| of.key == "resource") {
        check_placeholders(&of.name, &item, &mut errors);
    }

    let (key, name) = (of.iter().map(|of| &of.key), of.iter().map(|of| &of.name));
    let argument = completed.iter().map(|completed| completed.name.as_str());
    let handler = item.handler();
    let builder = quote_spanned! {item.result_span()=>
        #(::edgemcp::Completion::#key)*(#(#name,)* #(#argument,)* #handler)
    };
    item.emit(&builder, errors)
}

/// The argument that is completed: the one that is named, or else the first.
fn completed<'a>(item: &'a Item, argument: Option<&LitStr>, errors: &mut Errors) -> Option<&'a Argument> {
    let function = item.ident();
    let Some(literal) = argument else {
        let first = item.arguments.iter().next();
        if first.is_none() {
            errors.at(
                function.span(),
                format_args!(
                    "completion `{function}` takes nothing to complete: add a parameter named like the argument, which \
                     has what was typed so far, `city: String`"
                ),
            );
        }
        return first;
    };
    let name = literal.value();
    let found = item.arguments.iter().find(|argument| argument.name == name);
    if found.is_none() {
        let names = || item.arguments.iter().map(|argument| argument.name.as_str());
        let way_out = match nearest(&name, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("add `{name}: String`, which has what was typed so far"),
        };
        errors
            .at(literal.span(), format_args!("argument {name:?} is no parameter of `{function}`: {way_out}"));
    }
    found
}

/// What is completed is text, and whatever else the function asks for may not have been chosen yet.
fn check_parameters(item: &Item, completed: &Argument, errors: &mut Errors) {
    for argument in item.arguments.iter() {
        let Argument { name, ident, has_default, .. } = argument;
        let ty = argument.type_text();
        if ident != &completed.ident {
            if !argument.may_be_left_out() {
                errors.at(
                    ident.span(),
                    format_args!("`{name}` may not have been chosen yet: take `Option<{ty}>`"),
                );
            }
        } else if *has_default {
            errors.at(
                ident.span(),
                format_args!("`{name}` is what is completed, so it always comes: remove `default`"),
            );
        } else if !argument.may_be_any_text() {
            errors.at(
                ident.span(),
                format_args!("`{name}` has what was typed so far, which is no `{ty}` yet: take `String`"),
            );
        }
    }
}

/// Says what is wrong with the URI, and which parameter is none of its placeholders.
fn check_placeholders(uri: &LitStr, item: &Item, errors: &mut Errors) {
    let text = uri.value();
    let placeholders = match uri::placeholders(&text) {
        Ok(placeholders) => placeholders,
        Err(wrong) => return wrong.iter().for_each(|message| errors.at(uri.span(), message)),
    };
    if placeholders.is_empty() {
        let message = format_args!("uri {text:?} has no placeholder, so nothing of it is typed");
        return errors.at(uri.span(), message);
    }
    let known = placeholders.iter().map(|name| format!("`{{{name}}}`")).collect::<Vec<_>>().join(", ");
    for Argument { name, ident, .. } in item.arguments.iter() {
        if placeholders.contains(name) {
            continue;
        }
        let meant = nearest(name, placeholders.iter().map(String::as_str));
        let way_out = meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default();
        errors.at(
            ident.span(),
            format_args!("parameter `{name}` is not in uri {text:?}, which has {known}{way_out}"),
        );
    }
}
