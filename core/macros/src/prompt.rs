//! Expands `#[prompt]`.

use crate::{
    errors::Errors,
    item::{Item, Kind},
    options::{self, Labels},
};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

const KNOWN: [&str; 5] = ["name", "title", "description", "icon", "tags"];

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let place = Kind::Prompt.place();
    let mut errors = Errors::default();
    let item = match Item::read(Kind::Prompt, item, &mut errors) {
        Ok(item) => item,
        Err(refused) => return refused,
    };
    let settings = options::read(options, place, &options::REPEATABLE, &mut errors);
    let mut labels = Labels::new(item.ident(), item.doc.clone());
    for setting in &settings {
        if !labels.take(setting, &mut errors) {
            setting.unknown(place, &KNOWN, &mut errors);
        }
    }
    labels.check_name(item.ident(), &settings, &mut errors);
    if labels.description.is_none() && !settings.iter().any(|setting| setting.key == "description") {
        let name = &labels.name;
        errors.at(
            item.ident().span(),
            format_args!(
                "prompt `{name}` has no description, which is what people choose it by: add a doc comment, `/// …`, or \
                 `#[prompt(description = \"…\")]`"
            ),
        );
    }

    let Labels { name, description, .. } = &labels;
    let description = description.iter();
    let (handler, labels) = (item.handler(), labels.calls());
    let builder =
        quote_spanned!(item.result_span()=> ::edgemcp::Prompt::new(#name, #(#description,)* #handler));
    item.emit(&quote!(#builder #labels), errors)
}
