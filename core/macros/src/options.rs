//! Reads what stands in the parentheses of an attribute, `key = value, flag, list(…)`, and names the keys there are.

use crate::{doc::Text, errors::Errors, icon::of_address, nearest::nearest};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Expr, Lit, LitStr, Meta, Token,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
};

/// One option, as written.
pub(crate) struct Setting {
    pub(crate) key: String,
    meta: Meta,
}

/// The options in `tokens`, each key at most once unless it is in `repeatable`. `place` names the attribute in errors:
/// `#[tool]`.
pub(crate) fn read(
    tokens: TokenStream,
    place: &str,
    repeatable: &[&str],
    errors: &mut Errors,
) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    let parsed = |input: ParseStream<'_>| {
        if input.peek(Lit) {
            let literal: Lit = input.parse()?;
            let option = match place {
                "#[completion]" => "prompt",
                "#[config]" => "name",
                "icon!" | "include_icon!" => "size",
                _ => "description",
            };
            let way_out =
                format!("this needs a key before it: {place} takes options such as `{option} = \"…\"`");
            return Err(syn::Error::new(literal.span(), way_out));
        }
        Punctuated::<Meta, Token![,]>::parse_terminated(input)
    };
    let metas = parsed.parse2(tokens).unwrap_or_else(|error| {
        errors.push(error);
        Punctuated::new()
    });
    for meta in metas {
        let key = meta.path().to_token_stream().to_string().replace(' ', "");
        if settings.iter().any(|earlier| earlier.key == key) && !repeatable.contains(&key.as_str()) {
            errors.on(meta.path(), format_args!("`{key}` is given twice: keep one"));
            continue;
        }
        settings.push(Setting { key, meta });
    }
    settings
}

impl Setting {
    /// The span of the key.
    pub(crate) fn span(&self) -> Span {
        self.meta.path().span()
    }

    /// Says that there is no such key, which there are, and which was perhaps meant.
    pub(crate) fn unknown(&self, place: &str, known: &[&str], errors: &mut Errors) {
        let meant = nearest(&self.key, known.iter().copied());
        let meant = meant.map(|key| format!(" (did you mean `{key}`?)")).unwrap_or_default();
        let known = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        errors.at(self.span(), format_args!("{place} has no option `{}`{meant}: it takes {known}", self.key));
    }

    /// The value, where it is `key = value`.
    pub(crate) fn given(&self) -> Option<&Expr> {
        match &self.meta {
            Meta::NameValue(pair) => Some(&pair.value),
            _ => None,
        }
    }

    /// The value of `key = value`.
    pub(crate) fn value(&self, form: &str, errors: &mut Errors) -> Option<&Expr> {
        let value = self.given();
        if value.is_none() {
            errors.on(&self.meta, format_args!("`{}` needs a value: write `{form}`", self.key));
        }
        value
    }

    /// The value of `key = "…"`, which the attribute itself looks at, so that only a literal will do.
    pub(crate) fn literal(&self, errors: &mut Errors) -> Option<LitStr> {
        let form = format!("{} = \"…\"", self.key);
        let value = self.value(&form, errors)?;
        let Some(literal) = string(value) else {
            errors.on(value, format_args!("`{}` is a string literal: write `{form}`", self.key));
            return None;
        };
        if literal.value().trim().is_empty() {
            errors.at(
                literal.span(),
                format_args!("`{}` is empty: write one, or leave the option out", self.key),
            );
            return None;
        }
        Some(literal)
    }

    /// The value of `key = "…"` or `key = EXPRESSION`, for a text that is only passed on.
    pub(crate) fn text(&self, errors: &mut Errors) -> Option<Text> {
        let value = self.value(&format!("{} = \"…\"", self.key), errors)?;
        match value {
            Expr::Lit(_) => self.literal(errors).map(|literal| Text::Known(literal.value())),
            other => Some(Text::Expression(other.to_token_stream())),
        }
    }

    /// The value of `key`, `key = true` or `key = false`.
    pub(crate) fn flag(&self, errors: &mut Errors) -> Option<bool> {
        match &self.meta {
            Meta::Path(_) => return Some(true),
            Meta::NameValue(pair) => {
                if let Expr::Lit(literal) = &pair.value
                    && let Lit::Bool(flag) = &literal.lit
                {
                    return Some(flag.value);
                }
            }
            Meta::List(_) => {}
        }
        errors.on(&self.meta, format_args!("`{}` is yes or no: write `{0}` or `{0} = false`", self.key));
        None
    }

    /// What stands in the parentheses of `key(…)`.
    pub(crate) fn list(&self, form: &str, errors: &mut Errors) -> Option<TokenStream> {
        match &self.meta {
            Meta::List(list) => Some(list.tokens.clone()),
            _ => {
                errors.on(&self.meta, format_args!("`{}` is a list: write `{form}`", self.key));
                None
            }
        }
    }

    /// Whether it is `key` alone.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.meta, Meta::Path(_))
    }
}

/// The string literal that this expression is.
pub(crate) fn string(value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.clone()),
            _ => None,
        },
        // A literal that came through a `macro_rules!`.
        Expr::Group(group) => string(&group.expr),
        _ => None,
    }
}

/// The options that may be given more than once.
pub(crate) const REPEATABLE: [&str; 2] = ["client_capability", "icon"];

/// The options that tools, resources and prompts share.
pub(crate) struct Labels {
    pub(crate) name: String,
    pub(crate) description: Option<Text>,
    title: Option<Text>,
    tags: Vec<LitStr>,
    icons: Vec<TokenStream>,
}

impl Labels {
    /// What a function that gives no options is called, and what its doc comment says about it.
    pub(crate) fn new(function: &Ident, doc: Option<Text>) -> Self {
        let name = function.to_string();
        let name = name.strip_prefix("r#").unwrap_or(&name).to_owned();
        Self { name, description: doc, title: None, tags: Vec::new(), icons: Vec::new() }
    }

    /// Takes the option if it is one of `name`, `title`, `description`, `icon` and `tags`, and says whether it was.
    pub(crate) fn take(&mut self, setting: &Setting, errors: &mut Errors) -> bool {
        match setting.key.as_str() {
            "name" => {
                if let Some(literal) = setting.literal(errors) {
                    self.name = literal.value();
                }
            }
            "title" => self.title = setting.text(errors),
            "description" => {
                if let Some(text) = setting.text(errors) {
                    self.description = Some(text);
                }
            }
            "icon" => self.icons.extend(icon(setting, errors)),
            "tags" => self.tags = tags(setting, errors),
            _ => return false,
        }
        true
    }

    /// Checks the name as a client will call it: 1 to 128 of `A-Z a-z 0-9 _ - .`, as the specification has it for tools
    /// since 2025-11-25.
    pub(crate) fn check_name(&self, function: &Ident, settings: &[Setting], errors: &mut Errors) {
        let named = settings.iter().find(|setting| setting.key == "name");
        let place =
            named.map_or_else(|| function.to_token_stream(), |setting| setting.meta.to_token_stream());
        let way_out = if named.is_some() { "" } else { ": give one with `name = \"…\"`" };
        let name = &self.name;
        let allowed = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
        if let Some(letter) = name.chars().find(|letter| !allowed(letter)) {
            let rule = "a name is made of `A-Z a-z 0-9 _ - .`";
            errors.on(place, format_args!("name {name:?} contains {letter:?}, and {rule}{way_out}"));
        } else if name.len() > NAME_LETTERS_MAX {
            let letters = name.len();
            errors.on(
                place,
                format_args!("the name has {letters} letters, and {NAME_LETTERS_MAX} are allowed{way_out}"),
            );
        }
    }

    /// The builder calls for title, icons and tags.
    pub(crate) fn calls(&self) -> TokenStream {
        let title = self.title.iter();
        let Self { icons, tags, .. } = self;
        quote!(#(.title(#title))* #(.icon(#icons))* #(.tag(#tags))*)
    }
}

const NAME_LETTERS_MAX: usize = 128;

/// An icon by its address, or the expression that makes one.
fn icon(setting: &Setting, errors: &mut Errors) -> Option<TokenStream> {
    let value = setting.value("icon = \"…\"", errors)?;
    match value {
        Expr::Lit(_) => of_address(&setting.literal(errors)?, errors),
        other => Some(other.to_token_stream()),
    }
}

fn tags(setting: &Setting, errors: &mut Errors) -> Vec<LitStr> {
    const FORM: &str = "tags(\"a\", \"b\")";
    let Some(tokens) = setting.list(FORM, errors) else { return Vec::new() };
    let Ok(tags) = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(tokens) else {
        errors.at(setting.span(), format_args!("tags are string literals: write `{FORM}`"));
        return Vec::new();
    };
    if tags.is_empty() {
        errors.at(setting.span(), format_args!("`tags` is empty: write `{FORM}`, or leave the option out"));
    }
    for tag in tags.iter().filter(|tag| tag.value().trim().is_empty()) {
        errors.at(tag.span(), "a tag is empty: leave it out");
    }
    tags.into_iter().collect()
}
