//! Expands `#[resource]`, and holds the placeholders of its URI against the parameters of its function.

use crate::{
    arguments::Argument,
    errors::Errors,
    item::{Item, Kind},
    nearest::nearest,
    options::{self, Labels},
    uri,
};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{
    LitStr, Token,
    parse::{ParseStream, Parser},
};

const KNOWN: [&str; 7] = ["name", "title", "description", "mime_type", "annotations", "icon", "tags"];

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let place = Kind::Resource.place();
    let mut errors = Errors::default();
    let item = match Item::read(Kind::Resource, item, &mut errors) {
        Ok(item) => item,
        Err(refused) => return refused,
    };
    let (uri, options) = split(options, &mut errors);
    let settings = options::read(options, place, &options::REPEATABLE, &mut errors);
    let mut labels = Labels::new(item.ident(), item.doc.clone());
    let (mut mime_type, mut annotations) = (None, None);
    for setting in &settings {
        match setting.key.as_str() {
            "mime_type" => {
                mime_type = setting.literal(&mut errors);
                if let Some(literal) = mime_type.as_ref().filter(|literal| !is_mime_type(&literal.value())) {
                    let value = literal.value();
                    let message =
                        format_args!("mime_type {value:?} is not `type/subtype`: write e.g. \"text/plain\"");
                    errors.at(literal.span(), message);
                }
            }
            "annotations" => annotations = setting.value("annotations = …", &mut errors),
            _ if labels.take(setting, &mut errors) => {}
            _ => setting.unknown(place, &KNOWN, &mut errors),
        }
    }
    labels.check_name(item.ident(), &settings, &mut errors);
    if let Some(uri) = &uri {
        check(uri, &item, &mut errors);
    }

    let name = &labels.name;
    let (description, mime_type) = (labels.description.iter(), mime_type.iter());
    let annotations = annotations.iter();
    let (handler, labels) = (item.handler(), labels.calls());
    let builder = quote_spanned!(item.result_span()=> ::edgemcp::Resource::new(#uri, #name, #handler));
    let calls = quote!(#labels #(.description(#description))* #(.mime_type(#mime_type))* #(.annotations(#annotations))*);
    item.emit(&quote!(#builder #calls), errors)
}

/// Splits the URI from the options after it.
fn split(options: TokenStream, errors: &mut Errors) -> (Option<LitStr>, TokenStream) {
    const FORM: &str = "#[resource(\"data://config\")]";
    let parsed = |input: ParseStream<'_>| {
        let uri: Option<LitStr> = if input.peek(LitStr) { Some(input.parse()?) } else { None };
        if uri.is_some() && !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok((uri, input.parse::<TokenStream>()?))
    };
    match parsed.parse2(options.clone()) {
        Ok((Some(uri), rest)) => (Some(uri), rest),
        Ok((None, rest)) if rest.is_empty() => {
            errors
                .at(proc_macro2::Span::call_site(), format_args!("a resource needs its URI: write `{FORM}`"));
            (None, rest)
        }
        Ok((None, rest)) => {
            let first = rest.into_iter().take(1).collect::<TokenStream>();
            errors
                .on(first, format_args!("a resource's URI comes first, as a string literal: write `{FORM}`"));
            (None, TokenStream::new())
        }
        Err(error) => {
            errors.push(error);
            (None, TokenStream::new())
        }
    }
}

/// Says what is wrong with the URI, and which placeholder and which parameter have no counterpart.
fn check(uri: &LitStr, item: &Item, errors: &mut Errors) {
    let text = uri.value();
    let placeholders = match uri::placeholders(&text) {
        Ok(placeholders) => placeholders,
        Err(wrong) => return wrong.iter().for_each(|message| errors.at(uri.span(), message)),
    };
    let lonely =
        |placeholder: &&String| !item.arguments.iter().any(|argument| argument.name == **placeholder);
    let mut lonely: Vec<&str> = placeholders.iter().filter(lonely).map(String::as_str).collect();
    for argument in item.arguments.iter() {
        let Argument { name, ident, has_default, .. } = argument;
        if placeholders.contains(name) {
            if *has_default {
                let message = "a URI that matches holds every placeholder: remove `default`";
                errors.at(ident.span(), format_args!("`{name}` is never left out, because {message}"));
            }
            continue;
        }
        // One near another is one mistake, so it is one error.
        let meant = nearest(name, lonely.iter().copied());
        match meant {
            Some(meant) => {
                lonely.retain(|placeholder| *placeholder != meant);
                let message = format_args!(
                    "parameter `{name}` is not in uri {text:?}, and its `{{{meant}}}` has no parameter: name both `{meant}`"
                );
                errors.at(ident.span(), message);
            }
            None if placeholders.is_empty() => {
                let message = "put it there as `{…}`, or remove it: a resource takes what its URI holds";
                errors.at(ident.span(), format_args!("parameter `{name}` is not in uri {text:?}: {message}"));
            }
            None => {
                let known =
                    placeholders.iter().map(|name| format!("`{{{name}}}`")).collect::<Vec<_>>().join(", ");
                let message = format_args!("parameter `{name}` is not in uri {text:?}, which has {known}");
                errors.at(ident.span(), message);
            }
        }
    }
    for placeholder in lonely {
        let message = format_args!(
            "placeholder `{{{placeholder}}}` has no parameter in `{}`: add `{placeholder}: String`",
            item.ident()
        );
        errors.at(uri.span(), message);
    }
}

/// RFC 2045 section 5.1: two tokens and perhaps parameters.
fn is_mime_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or(text).trim();
    let is_token = |part: &str| {
        let allowed = |letter: char| letter.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(letter);
        !part.is_empty() && part.chars().all(allowed)
    };
    essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mime_type_is_two_tokens() {
        for text in ["text/plain", "application/vnd.api+json", "text/plain; charset=utf-8"] {
            assert!(is_mime_type(text), "{text}");
        }
        for text in ["json", "text/", "/plain", "a/b/c", "text plain", ""] {
            assert!(!is_mime_type(text), "{text}");
        }
    }
}
