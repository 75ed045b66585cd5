//! Expands `#[tool]`.

use crate::{
    errors::Errors,
    item::{Item, Kind},
    options::{self, Labels},
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

const KNOWN: [&str; 8] =
    ["name", "title", "description", "read_only", "destructive", "idempotent", "open_world", "tags"];

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let place = Kind::Tool.place();
    let mut errors = Errors::default();
    let item = match Item::read(Kind::Tool, item, &mut errors) {
        Ok(item) => item,
        Err(refused) => return refused,
    };
    let settings = options::read(options, place, &[], &mut errors);
    let mut labels = Labels::new(item.ident(), item.doc.clone());
    let mut hints = TokenStream::new();
    let mut said = Vec::new();
    for setting in &settings {
        match setting.key.as_str() {
            "read_only" | "destructive" | "idempotent" | "open_world" => {
                let Some(value) = setting.flag(&mut errors) else { continue };
                if value {
                    said.push(setting.key.as_str());
                }
                let method = Ident::new(&setting.key, Span::call_site());
                hints.extend(quote!(.#method(#value)));
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
    item.emit(&quote!(#builder #labels #hints), errors)
}
