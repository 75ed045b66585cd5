//! Expands `#[tool]`.

use crate::{
    errors::Errors,
    item::{Item, Kind},
    options::{self, Labels, Setting},
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

const KNOWN: [&str; 12] = [
    "name",
    "title",
    "description",
    "read_only",
    "destructive",
    "idempotent",
    "open_world",
    "task",
    "ui",
    "client_capability",
    "icon",
    "tags",
];

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let place = Kind::Tool.place();
    let mut errors = Errors::default();
    let item = match Item::read(Kind::Tool, item, &mut errors) {
        Ok(item) => item,
        Err(refused) => return refused,
    };
    let settings = options::read(options, place, &options::REPEATABLE, &mut errors);
    let mut labels = Labels::new(item.ident(), item.doc.clone());
    let mut calls = TokenStream::new();
    let mut said = Vec::new();
    for setting in &settings {
        match setting.key.as_str() {
            "read_only" | "destructive" | "idempotent" | "open_world" => {
                let Some(value) = setting.flag(&mut errors) else { continue };
                if value {
                    said.push(setting.key.as_str());
                }
                let method = Ident::new(&setting.key, Span::call_site());
                calls.extend(quote!(.#method(#value)));
            }
            "task" => calls.extend(task(setting, &mut errors)),
            "ui" => calls.extend(ui(setting, &mut errors)),
            "client_capability" => {
                let name = setting.literal(&mut errors);
                calls.extend(name.map(|name| quote!(.client_capability(#name))));
            }
            _ if labels.take(setting, &mut errors) => {}
            _ => setting.unknown(place, &KNOWN, &mut errors),
        }
    }
    if said.contains(&"read_only")
        && let Some(destructive) = settings.iter().find(|setting| setting.key == "destructive")
        && said.contains(&"destructive")
    {
        errors.at(destructive.span(), "a tool that is `read_only` destroys nothing: keep one of the two");
    }
    labels.check_name(item.ident(), &settings, &mut errors);
    if labels.description.is_none() && !settings.iter().any(|setting| setting.key == "description") {
        let name = &labels.name;
        errors.at(
            item.ident().span(),
            format_args!(
                "tool `{name}` has no description, which is what a model chooses it by: add a doc comment, `/// …`, or \
                 `#[tool(description = \"…\")]`"
            ),
        );
    }

    let Labels { name, description, .. } = &labels;
    let description = description.iter();
    let (handler, labels) = (item.handler(), labels.calls());
    let builder =
        quote_spanned!(item.result_span()=> ::edgemcp::Tool::new(#name, #(#description,)* #handler));
    item.emit(&quote!(#builder #labels #calls), errors)
}

/// The call that lets the tool go on as a task.
fn task(setting: &Setting, errors: &mut Errors) -> Option<TokenStream> {
    if setting.is_bare() {
        return Some(quote!(.task(::edgemcp::TaskSupport::Optional)));
    }
    let value = setting.value("task", errors)?;
    let support = match options::string(value).map(|literal| literal.value()).as_deref() {
        Some("optional") => quote!(Optional),
        Some("required") => quote!(Required),
        Some("by_handler") => quote!(ByHandler),
        _ => {
            let message = "`task` says when a call goes on as a task: write `task` or `task = \"optional\"` (where the \
                           client takes tasks), `task = \"required\"` (always), or `task = \"by_handler\"` (once the \
                           handler says so)";
            errors.on(value, message);
            return None;
        }
    };
    Some(quote!(.task(::edgemcp::TaskSupport::#support)))
}

/// The call that names the page beside the tool's result.
fn ui(setting: &Setting, errors: &mut Errors) -> Option<TokenStream> {
    let uri = setting.literal(errors)?;
    if !uri.value().starts_with("ui://") {
        let message = format_args!(
            "ui {:?} is no page: write the URI of a resource that begins with `ui://`, as in \"ui://dice/page\"",
            uri.value()
        );
        errors.at(uri.span(), message);
        return None;
    }
    Some(quote!(.ui(#uri)))
}
