//! Looks at the types of parameters: which is the context, which are borrowed, and what a constraint can mean for them.

use quote::ToTokens;
use syn::{
    GenericArgument, Lifetime, PathArguments, PathSegment, Type, TypeImplTrait, TypeReference, parse_quote,
    visit_mut::{self, VisitMut},
};

/// How a parameter takes the context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    Borrowed,
    Owned,
}

/// What JSON a type is read from, as far as its name tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Text,
    Number,
    Boolean,
    List,
    Map,
    /// A type of the user's.
    Other,
}

/// Whether this is the context, by its name, and how it is taken. `Err` says the way out of a wrong way to take it.
pub(crate) fn context(ty: &Type) -> Option<Result<Taken, &'static str>> {
    match ty {
        Type::Group(group) => context(&group.elem),
        Type::Paren(paren) => context(&paren.elem),
        Type::Reference(reference) => Some(match context(&reference.elem)? {
            Ok(_) if reference.mutability.is_some() => {
                Err("the context is shared, not changed: take `&Context`")
            }
            Ok(_) if reference.lifetime.is_some() => Err(
                "the context needs no named lifetime: take `&Context`, or `Context`, which is cheap to clone",
            ),
            Ok(Taken::Owned) => Ok(Taken::Borrowed),
            Ok(Taken::Borrowed) => Err("the context is borrowed once: take `&Context`"),
            error => error,
        }),
        Type::Path(_) => {
            let last = last_segment(ty)?;
            if last.ident == "Context" && last.arguments.is_none() {
                return Some(Ok(Taken::Owned));
            }
            let wraps = ["Option", "Arc", "Rc", "Box"].iter().any(|wrapper| last.ident == wrapper);
            let inner = first_argument(last).filter(|_| wraps).and_then(context);
            inner.map(|_| Err("the context is always there and cheap to clone: take `&Context` or `Context`"))
        }
        _ => None,
    }
}

/// The `T` of a parameter `State<T>`, by its name. `Err` says the way out of a wrong way to take it.
pub(crate) fn state(ty: &Type) -> Option<Result<&Type, &'static str>> {
    match ty {
        Type::Group(group) => state(&group.elem),
        Type::Paren(paren) => state(&paren.elem),
        Type::Reference(reference) => state(&reference.elem)
            .map(|_| Err("a state is cheap to clone, and the handler's own: take `State<…>`")),
        Type::Path(_) => {
            let last = last_segment(ty)?;
            let inner = first_argument(last)?;
            if last.ident == "State" {
                return Some(Ok(inner));
            }
            let wraps = ["Option", "Arc", "Rc", "Box"].iter().any(|wrapper| last.ident == wrapper);
            let inner = Some(inner).filter(|_| wraps).and_then(state);
            inner.map(|_| Err("a state is always there and cheap to clone: take `State<…>`"))
        }
        _ => None,
    }
}

/// What JSON this type is read from.
pub(crate) fn shape(ty: &Type) -> Shape {
    match ty {
        Type::Group(group) => shape(&group.elem),
        Type::Paren(paren) => shape(&paren.elem),
        Type::Array(_) | Type::Slice(_) => Shape::List,
        Type::Path(_) => last_segment(ty).map_or(Shape::Other, segment_shape),
        _ => Shape::Other,
    }
}

fn segment_shape(segment: &PathSegment) -> Shape {
    match segment.ident.to_string().as_str() {
        "String" | "str" | "char" | "PathBuf" => Shape::Text,
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize"
        | "f32" | "f64" => Shape::Number,
        "bool" => Shape::Boolean,
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => Shape::List,
        "HashMap" | "BTreeMap" => Shape::Map,
        "Option" | "Box" | "Arc" | "Rc" | "Cow" => first_argument(segment).map_or(Shape::Other, shape),
        number if number.starts_with("NonZero") => Shape::Number,
        _ => Shape::Other,
    }
}

/// Whether this is an `Option`, by its name.
pub(crate) fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_option(&group.elem),
        Type::Paren(paren) => is_option(&paren.elem),
        _ => last_segment(ty).is_some_and(|segment| segment.ident == "Option"),
    }
}

/// The owned type to take instead, if this one borrows.
pub(crate) fn owned(ty: &Type) -> Option<Type> {
    let mut owned = ty.clone();
    let mut own = Own { borrows: false };
    own.visit_type_mut(&mut owned);
    own.borrows.then_some(owned)
}

/// Whether the type stands for several (`impl Trait`), so that there is none to read into.
pub(crate) fn is_several(ty: &Type) -> bool {
    struct Find(bool);
    impl VisitMut for Find {
        fn visit_type_impl_trait_mut(&mut self, _: &mut TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut find = Find(false);
    find.visit_type_mut(&mut ty.clone());
    find.0
}

/// The type as people write it; how the compiler spaces it differs between its versions.
pub(crate) fn print(ty: &Type) -> String {
    let spaced = ty.to_token_stream().to_string();
    let is_word =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let mut text = String::new();
    let mut letters =
        spaced.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }).peekable();
    while let Some(letter) = letters.next() {
        let last = text.chars().next_back();
        let parts = is_word(last) && is_word(letters.peek().copied());
        if letter != ' ' || last == Some(',') || parts {
            text.push(letter);
        }
    }
    text
}

/// Replaces what borrows by what owns.
struct Own {
    borrows: bool,
}

impl VisitMut for Own {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Some(owned) = owner(ty) {
            self.borrows = true;
            *ty = owned;
            return self.visit_type_mut(ty);
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "static" {
            self.borrows = true;
            *lifetime = Lifetime::new("'static", lifetime.span());
        }
    }
}

/// What to take instead of a reference, or of a `Cow` that is not `'static`.
fn owner(ty: &Type) -> Option<Type> {
    let borrowed: &Type = match ty {
        Type::Reference(TypeReference { elem, .. }) => elem,
        Type::Path(_) => {
            let cow = last_segment(ty).filter(|segment| segment.ident == "Cow")?;
            let PathArguments::AngleBracketed(list) = &cow.arguments else { return None };
            let lifetime = list.args.first();
            if matches!(lifetime, Some(GenericArgument::Lifetime(lifetime)) if lifetime.ident == "static") {
                return None;
            }
            first_argument(cow)?
        }
        _ => return None,
    };
    Some(match borrowed {
        Type::Slice(slice) => {
            let item = &slice.elem;
            parse_quote!(Vec<#item>)
        }
        other => match last_segment(other).map(|segment| segment.ident.to_string()).as_deref() {
            Some("str") => parse_quote!(String),
            Some("Path") => parse_quote!(PathBuf),
            _ => other.clone(),
        },
    })
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

fn first_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(list) = &segment.arguments else { return None };
    list.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_known_by_its_name() {
        let taken: [(Type, Taken); 4] = [
            (parse_quote!(Context), Taken::Owned),
            (parse_quote!(edgemcp::Context), Taken::Owned),
            (parse_quote!(&Context), Taken::Borrowed),
            (parse_quote!(&::edgemcp::Context), Taken::Borrowed),
        ];
        for (ty, taken) in taken {
            assert_eq!(context(&ty), Some(Ok(taken)));
        }
        let others: [Type; 4] = [
            parse_quote!(String),
            parse_quote!(Context<u8>),
            parse_quote!(Option<String>),
            parse_quote!(&str),
        ];
        for ty in others {
            assert_eq!(context(&ty), None);
        }
        let wrong: [Type; 4] = [
            parse_quote!(&mut Context),
            parse_quote!(&'static Context),
            parse_quote!(Arc<Context>),
            parse_quote!(&&Context),
        ];
        for ty in wrong {
            assert!(matches!(context(&ty), Some(Err(_))), "{}", print(&ty));
        }
    }

    #[test]
    fn what_borrows_has_an_owned_counterpart() {
        let borrowed: [(Type, &str); 10] = [
            (parse_quote!(&str), "String"),
            (parse_quote!(&'static str), "String"),
            (parse_quote!(Option<&str>), "Option<String>"),
            (parse_quote!(&[&str]), "Vec<String>"),
            (parse_quote!(&std::path::Path), "PathBuf"),
            (parse_quote!(&mut my::Type), "my::Type"),
            (parse_quote!(HashMap<&str, Vec<u8>>), "HashMap<String, Vec<u8>>"),
            (parse_quote!(Cow<'_, str>), "String"),
            (parse_quote!(Cow<str>), "String"),
            (parse_quote!(View<'a>), "View<'static>"),
        ];
        for (ty, text) in borrowed {
            assert_eq!(owned(&ty).as_ref().map(print).as_deref(), Some(text));
        }
        let owning: [Type; 3] =
            [parse_quote!(String), parse_quote!(Cow<'static, str>), parse_quote!(Vec<Option<u8>>)];
        for ty in owning {
            assert!(owned(&ty).is_none(), "{}", print(&ty));
        }
    }

    #[test]
    fn wrappers_do_not_change_the_shape() {
        let shapes: [(Type, Shape); 7] = [
            (parse_quote!(Option<Box<str>>), Shape::Text),
            (parse_quote!(Option<std::num::NonZeroU8>), Shape::Number),
            (parse_quote!(Option<bool>), Shape::Boolean),
            (parse_quote!(Vec<String>), Shape::List),
            (parse_quote!([u8; 3]), Shape::List),
            (parse_quote!(std::collections::BTreeMap<String, u8>), Shape::Map),
            (parse_quote!(my::Celsius), Shape::Other),
        ];
        for (ty, expected) in shapes {
            assert_eq!(shape(&ty), expected, "{}", print(&ty));
        }
    }

    #[test]
    fn an_option_is_known_by_its_name() {
        assert!(is_option(&parse_quote!(Option<String>)));
        assert!(is_option(&parse_quote!((std::option::Option<u8>))));
        assert!(!is_option(&parse_quote!(Vec<Option<u8>>)));
    }

    #[test]
    fn an_impl_trait_is_found_inside() {
        assert!(is_several(&parse_quote!(Vec<impl Into<String>>)));
        assert!(!is_several(&parse_quote!(Vec<String>)));
    }
}
