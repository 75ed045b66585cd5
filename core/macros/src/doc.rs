//! Turns doc comments into the text a model reads.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, Lit, Meta};

/// A text in the generated code: known now, or an expression such as `include_str!("add.md")`.
#[derive(Clone)]
pub(crate) enum Text {
    Known(String),
    Expression(TokenStream),
}

impl ToTokens for Text {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Known(text) => text.to_tokens(tokens),
            Self::Expression(expression) => expression.to_tokens(tokens),
        }
    }
}

/// The text of the doc comments among `attributes`, or none if there is none to read.
pub(crate) fn text(attributes: &[Attribute]) -> Option<Text> {
    let values: Vec<&Expr> = attributes.iter().filter_map(value).collect();
    let literals: Option<Vec<String>> = values.iter().map(|value| literal(value)).collect();
    match literals {
        Some(lines) => {
            let text = clean(&lines.iter().flat_map(|line| lines_of(line)).collect::<Vec<_>>());
            (!text.is_empty()).then_some(Text::Known(text))
        }
        // A macro is expanded after this one, so its text can be joined but not looked at.
        None => {
            let mut lines = values.iter().map(|value| match literal(value) {
                Some(line) => line.trim().to_token_stream(),
                None => value.to_token_stream(),
            });
            let (first, rest) = (lines.next(), lines);
            Some(Text::Expression(quote!(::core::concat!(#first #(, "\n", #rest)*))))
        }
    }
}

/// Whether this attribute is a line of documentation.
pub(crate) fn is_doc(attribute: &Attribute) -> bool {
    value(attribute).is_some()
}

fn value(attribute: &Attribute) -> Option<&Expr> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(&pair.value),
        _ => None,
    }
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        // `#[doc = $text]` inside a `macro_rules!`.
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

/// The lines of one doc attribute, without the column of stars that a block comment may have.
fn lines_of(text: &str) -> Vec<String> {
    let starred =
        text.lines().skip(1).all(|line| line.trim().is_empty() || line.trim_start().starts_with('*'));
    let unstar = |(index, line): (usize, &str)| match line.trim_start().strip_prefix('*') {
        Some(rest) if starred && index > 0 => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.split('\n').enumerate().map(unstar).collect()
}

/// Removes the indentation all lines share, blank lines around the text, and the line breaks of the first paragraph,
/// which are only where the source file ran out of width.
fn clean(lines: &[String]) -> String {
    let indent = |line: &String| line.chars().take_while(|letter| *letter == ' ').count();
    let shared = lines.iter().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let unindented =
        lines.iter().map(|line| line.chars().skip(shared).collect::<String>().trim_end().to_owned());
    let lines: Vec<String> = unindented.skip_while(String::is_empty).collect();

    let prose = lines.iter().take_while(|line| !line.is_empty() && !starts_a_block(line)).count();
    let (first, rest) = lines.split_at_checked(prose).unwrap_or_default();
    let mut text = first.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    for line in rest {
        text.push('\n');
        text.push_str(line);
    }
    text.trim().to_owned()
}

/// Whether a Markdown line begins something whose line breaks mean something.
fn starts_a_block(line: &str) -> bool {
    let line = line.trim_start();
    let numbered = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    ["# ", "## ", "### ", "- ", "* ", "+ ", "> ", "```", "~~~", "|"].iter().any(|mark| line.starts_with(mark))
        || (numbered.len() < line.len() && (numbered.starts_with(". ") || numbered.starts_with(") ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn read(attributes: &[Attribute]) -> Option<String> {
        text(attributes).map(|text| match text {
            Text::Known(text) => text,
            Text::Expression(tokens) => tokens.to_string(),
        })
    }

    #[test]
    fn the_first_paragraph_is_one_line_and_the_rest_keeps_its_own() {
        let function: syn::ItemFn = parse_quote! {
            /// Add two
            /// integers.
            ///
            /// They are:
            ///
            /// - one
            ///   more
            /// - two
            #[inline]
            fn add() {}
        };
        let text = "Add two integers.\n\nThey are:\n\n- one\n  more\n- two";
        assert_eq!(read(&function.attrs).as_deref(), Some(text));
    }

    #[test]
    fn a_list_right_below_the_first_line_stays_a_list() {
        let function: syn::ItemFn = parse_quote! {
            /// One of:
            /// 1. left
            /// 2. right
            fn turn() {}
        };
        assert_eq!(read(&function.attrs).as_deref(), Some("One of:\n1. left\n2. right"));
    }

    #[test]
    fn a_block_comment_loses_its_stars() {
        let attributes: Vec<Attribute> = vec![parse_quote!(#[doc = "\n * Add two\n * integers.\n"])];
        assert_eq!(read(&attributes).as_deref(), Some("Add two integers."));
        let attributes: Vec<Attribute> = vec![parse_quote!(#[doc = " First addend. "])];
        assert_eq!(read(&attributes).as_deref(), Some("First addend."));
    }

    #[test]
    fn an_empty_comment_and_other_doc_attributes_say_nothing() {
        let attributes: Vec<Attribute> = vec![
            parse_quote!(#[doc = "  "]),
            parse_quote!(#[doc(hidden)]),
            parse_quote!(#[doc(alias = "plus")]),
        ];
        assert_eq!(read(&attributes), None);
    }

    #[test]
    fn a_text_that_is_read_from_a_file_is_joined_by_the_compiler() {
        let attributes: Vec<Attribute> =
            vec![parse_quote!(#[doc = " Add."]), parse_quote!(#[doc = include_str!("add.md")])];
        let text = read(&attributes).unwrap();
        assert!(text.contains("concat !") && text.contains("include_str ! (\"add.md\")"), "{text}");
    }
}
