//! Maps the arguments that clients send to those that a tool takes, and what is wrong with them back.
//!
//! A value that is not touched stays as it was written, byte for byte: a number keeps its digits, an object its order.

use std::{borrow::Cow, fmt, sync::Arc};

use serde_json::value::RawValue;

use crate::{arguments::ArgumentError, context::Context, error::ToolError, limits::cut, wire::params};

/// A value that is worked out for each call.
pub(super) type Compute = dyn Fn(&Context) -> Result<Box<RawValue>, ToolError> + Send + Sync;

/// Whether a value is what clients were told it must be.
pub(super) type Check = dyn Fn(&Context, &RawValue) -> Result<(), ArgumentError> + Send + Sync;

/// How the arguments of a call become those of the tool.
pub(super) struct Mapping {
    /// All that the tool's schema names.
    pub(super) arguments: Vec<Argument>,
    pub(super) others: Others,
}

/// An argument of a tool.
#[derive(Default)]
pub(super) struct Argument {
    /// What the tool calls it.
    pub(super) name: String,
    /// What clients call it; `None` where it is hidden from them.
    pub(super) shown: Option<String>,
    pub(super) required: bool,
    pub(super) fallback: Option<Fallback>,
    pub(super) check: Option<Arc<Check>>,
}

/// What an argument is where a call has none.
#[derive(Clone)]
pub(super) enum Fallback {
    Value(Box<RawValue>),
    Computed(Arc<Compute>),
}

/// What becomes of arguments that the schema does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// The schema lets them be there, and the tool gets them.
    Pass,
    /// The tool would not look at them. Some it might, under a name that only its own type knows (`#[serde(alias)]`), and so a
    /// hidden argument could be set.
    Drop,
    /// The schema forbids them.
    Refuse,
}

/// Why arguments could not be mapped.
#[derive(Debug)]
pub(super) enum Unmapped {
    /// They are wrong.
    Wrong(ArgumentError),
    /// A value could not be worked out.
    Failed(ToolError),
}

impl From<ArgumentError> for Unmapped {
    fn from(error: ArgumentError) -> Self {
        Self::Wrong(error)
    }
}

impl Mapping {
    /// What the tool gets of the arguments `raw`.
    pub(super) fn map<'a>(
        &self,
        cx: &Context,
        raw: Option<&'a RawValue>,
    ) -> Result<Cow<'a, RawValue>, Unmapped> {
        let check = |check: &Check, value: &RawValue| check(cx, value);
        self.map_with(raw, check, |compute| compute(cx))
    }

    fn map_with<'a>(
        &self,
        raw: Option<&'a RawValue>,
        check: impl Fn(&Check, &RawValue) -> Result<(), ArgumentError>,
        compute: impl Fn(&Compute) -> Result<Box<RawValue>, ToolError>,
    ) -> Result<Cow<'a, RawValue>, Unmapped> {
        let raw = raw.filter(|raw| raw.get() != "null");
        let members = match raw {
            None => Vec::new(),
            Some(raw) => params::members(raw.get())
                .ok_or_else(|| wrong(format_args!("expected an object, got {}", cut(raw.get()))))?,
        };
        let mut given = vec![false; self.arguments.len()];
        let mut mapped = Writer::default();
        let mut is_touched = raw.is_none();
        for (name, value) in &members {
            let shown = |argument: &Argument| argument.shown.as_deref() == Some(name);
            let Some(at) = self.arguments.iter().position(shown) else {
                if self.others == Others::Refuse
                    || self.arguments.iter().any(|argument| argument.name == **name)
                {
                    return Err(self.unknown(name).into());
                }
                match self.others {
                    Others::Drop => is_touched = true,
                    _ => mapped.member(name, value),
                }
                continue;
            };
            if given.get_mut(at).is_some_and(|given| std::mem::replace(given, true)) {
                return Err(wrong(format_args!("duplicate field `{name}`")).into());
            }
            let Some(argument) = self.arguments.get(at) else { continue };
            if let Some(expected) = &argument.check {
                check(&**expected, value).map_err(|error| below(name, &error))?;
            }
            is_touched |= argument.name != **name;
            mapped.member(&argument.name, value);
        }
        for (argument, _) in self.arguments.iter().zip(given).filter(|(_, given)| !given) {
            match (&argument.fallback, &argument.shown) {
                (Some(Fallback::Value(value)), _) => mapped.member(&argument.name, value),
                (Some(Fallback::Computed(value)), _) => {
                    mapped.member(&argument.name, &compute(&**value).map_err(Unmapped::Failed)?);
                }
                (None, Some(shown)) if argument.required => {
                    return Err(wrong(format_args!("missing field `{shown}`")).into());
                }
                (None, _) => continue,
            }
            is_touched = true;
        }
        match raw {
            Some(raw) if !is_touched => Ok(Cow::Borrowed(raw)),
            _ => Ok(Cow::Owned(mapped.finish()?)),
        }
    }

    fn unknown(&self, name: &str) -> ArgumentError {
        let known: Vec<_> = self.arguments.iter().filter_map(|argument| argument.shown.as_deref()).collect();
        let expected = match known.is_empty() {
            true => "there are no fields".to_owned(),
            false => format!("expected one of `{}`", known.join("`, `")),
        };
        wrong(format_args!("unknown field `{}`, {expected}", cut(name)))
    }

    /// What the tool says of its arguments, in the names that clients know; `None` where it speaks of one that they do not see,
    /// of which nothing is theirs to correct.
    pub(super) fn rename(&self, said: &str) -> Option<String> {
        if let Some(path) = said.strip_prefix(ARGUMENT) {
            let is_at = |argument: &&Argument| {
                let rest = path.strip_prefix(argument.name.as_str());
                rest.is_some_and(|rest| rest.starts_with(['.', '[', '`']))
            };
            // A name may begin as another one does, and have a dot in it.
            let Some(argument) =
                self.arguments.iter().filter(is_at).max_by_key(|argument| argument.name.len())
            else {
                return Some(said.to_owned());
            };
            let rest = path.get(argument.name.len()..).unwrap_or_default();
            return argument.shown.as_ref().map(|shown| format!("{ARGUMENT}{shown}{rest}"));
        }
        if !said.starts_with(ARGUMENTS) {
            return Some(said.to_owned());
        }
        // Of what is wrong with all of them together the sentence quotes names.
        let parts: Vec<_> = said.split('`').collect();
        let mut renamed = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let is_quoted = at > 0 && at + 1 < parts.len();
            let of = self.arguments.iter().find(|argument| is_quoted && argument.name == **part);
            renamed.push(match of {
                Some(argument) => argument.shown.as_deref()?,
                None => part,
            });
        }
        Some(renamed.join("`"))
    }
}

/// How every sentence about one argument begins.
const ARGUMENT: &str = "invalid argument `";

/// How every sentence about all of them begins.
const ARGUMENTS: &str = "invalid arguments: ";

fn wrong(what: fmt::Arguments<'_>) -> ArgumentError {
    ArgumentError(format!("{ARGUMENTS}{what}"))
}

/// What is wrong with a value, of which `error` speaks as if it stood alone, as the argument `name`.
fn below(name: &str, error: &ArgumentError) -> ArgumentError {
    let said = error.0.as_str();
    ArgumentError(match (said.strip_prefix(ARGUMENT), said.strip_prefix(ARGUMENTS)) {
        (Some(path), _) if path.starts_with('[') => format!("{ARGUMENT}{name}{path}"),
        (Some(path), _) => format!("{ARGUMENT}{name}.{path}"),
        (None, Some(what)) => format!("{ARGUMENT}{name}`: {what}"),
        (None, None) => format!("{ARGUMENT}{name}`: {said}"),
    })
}

/// Writes an object whose values are JSON already.
#[derive(Default)]
struct Writer(String);

impl Writer {
    fn member(&mut self, name: &str, value: &RawValue) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(value.get());
    }

    fn finish(mut self) -> Result<Box<RawValue>, Unmapped> {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        RawValue::from_string(self.0).map_err(|error| Unmapped::Failed(ToolError::masked(error.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn argument(name: &str, shown: &str) -> Argument {
        let shown = (!shown.is_empty()).then(|| shown.to_owned());
        Argument { name: name.to_owned(), shown, ..Argument::default() }
    }

    fn mapping(arguments: Vec<Argument>, others: Others) -> Mapping {
        Mapping { arguments, others }
    }

    pub(super) fn map(mapping: &Mapping, text: &str) -> Result<String, String> {
        let text = raw(text);
        match mapping.map_with(Some(&text), |_, _| Ok(()), |_| Err(ToolError::new("nothing to work out"))) {
            Ok(mapped) => Ok(mapped.get().to_owned()),
            Err(Unmapped::Wrong(error)) => Err(error.0),
            Err(Unmapped::Failed(error)) => Err(error.message().to_owned()),
        }
    }

    #[test]
    fn values_stay_as_they_were_written() {
        let mapping = mapping(vec![argument("q", "query"), argument("n", "n")], Others::Pass);
        let text = r#"{ "n" : 1.0e2, "query": {"b": 12345678901234567890123, "a":[ ]},"x":"\u00fc" }"#;
        let mapped = r#"{"n":1.0e2,"q":{"b": 12345678901234567890123, "a":[ ]},"x":"\u00fc"}"#;
        assert_eq!(map(&mapping, text).unwrap(), mapped);
        // Where nothing is mapped, the very text.
        assert_eq!(map(&mapping, r#"{ "n" : 1 }"#).unwrap(), r#"{ "n" : 1 }"#);
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let mut limit = argument("limit", "limit");
        limit.fallback = Some(Fallback::Value(raw("10")));
        let mut key = argument("api key", "");
        key.fallback = Some(Fallback::Value(raw(r#""s""#)));
        let mapping = mapping(vec![limit, key], Others::Pass);
        assert_eq!(map(&mapping, "null").unwrap(), r#"{"limit":10,"api key":"s"}"#);
        assert_eq!(map(&mapping, r#"{"limit":null}"#).unwrap(), r#"{"limit":null,"api key":"s"}"#);
    }

    #[test]
    fn a_hidden_argument_and_an_old_name_are_unknown() {
        for others in [Others::Pass, Others::Drop, Others::Refuse] {
            let mapping = mapping(vec![argument("q", "query"), argument("key", "")], others);
            for name in ["q", "key", r"k\u0065y"] {
                let error = map(&mapping, &format!(r#"{{"{name}":1}}"#)).unwrap_err();
                assert!(error.ends_with("expected one of `query`"), "{error}");
            }
        }
    }

    #[test]
    fn other_arguments_go_where_the_schema_lets_them() {
        let mapped = |others| map(&mapping(vec![argument("q", "query")], others), r#"{"x":1,"query":2}"#);
        assert_eq!(mapped(Others::Pass).unwrap(), r#"{"x":1,"q":2}"#);
        assert_eq!(mapped(Others::Drop).unwrap(), r#"{"q":2}"#);
        assert_eq!(
            mapped(Others::Refuse).unwrap_err(),
            "invalid arguments: unknown field `x`, expected one of `query`"
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_the_names_that_clients_know() {
        let mut query = argument("q", "query");
        query.required = true;
        let mapping = mapping(
            vec![query, argument("a.b", "ab"), argument("a", "first"), argument("key", "")],
            Others::Pass,
        );
        assert_eq!(map(&mapping, "{}").unwrap_err(), "invalid arguments: missing field `query`");
        let twice = map(&mapping, r#"{"query":1,"query":2}"#).unwrap_err();
        assert_eq!(twice, "invalid arguments: duplicate field `query`");
        assert_eq!(map(&mapping, "[1]").unwrap_err(), "invalid arguments: expected an object, got [1]");
        for (said, renamed) in [
            ("invalid argument `q`: no", Some("invalid argument `query`: no")),
            ("invalid argument `q[1].q`: no", Some("invalid argument `query[1].q`: no")),
            ("invalid argument `qs`: no", Some("invalid argument `qs`: no")),
            ("invalid argument `a.b`: no", Some("invalid argument `ab`: no")),
            ("invalid argument `a.c`: no", Some("invalid argument `first.c`: no")),
            ("invalid argument `key.x`: no", None),
            ("invalid arguments: `q` excludes `a`", Some("invalid arguments: `query` excludes `first`")),
            ("invalid arguments: `q` excludes `key`", None),
            ("there is no `q`", Some("there is no `q`")),
        ] {
            assert_eq!(mapping.rename(said).as_deref(), renamed, "{said}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_value_is_said_of_its_argument() {
        for (said, of_it) in [
            ("invalid arguments: expected 1", "invalid argument `x`: expected 1"),
            ("invalid argument `a.b`: no", "invalid argument `x.a.b`: no"),
            ("invalid argument `[2]`: no", "invalid argument `x[2]`: no"),
        ] {
            assert_eq!(below("x", &ArgumentError(said.to_owned())).0, of_it);
        }
    }
}

#[cfg(test)]
mod properties {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::{tests::map, *};
    use crate::properties::{config, json, raw};

    /// Names, and others in their place.
    fn names() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::btree_set(".{0,3}", 0..12).prop_flat_map(|names| {
            let names: Vec<_> = names.into_iter().collect();
            let (left, right) = names.split_at(names.len() / 2);
            let (left, right) = (left.to_vec(), right.to_vec());
            // Some keep their names.
            prop::collection::vec(any::<bool>(), left.len()).prop_map(move |keep| {
                let pairs = left.iter().zip(&right).zip(keep);
                pairs
                    .map(|((one, other), keep)| (one.clone(), if keep { one } else { other }.clone()))
                    .collect()
            })
        })
    }

    fn mapping(names: &[(String, String)]) -> Mapping {
        let arguments = names.iter().map(|(shown, name)| Argument {
            name: name.clone(),
            shown: Some(shown.clone()),
            ..Argument::default()
        });
        Mapping { arguments: arguments.collect(), others: Others::Pass }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_is_mapped_back_and_forth_is_the_same(
            names in names(), values in prop::collection::vec(raw(), 12), more in prop::collection::vec((".{4,9}", raw()), 0..4),
        ) {
            let more: Vec<_> = more.iter().map(|(name, value)| (name.clone(), value)).collect();
            let distinct: BTreeSet<_> = more.iter().map(|(name, _)| name).collect();
            prop_assume!(distinct.len() == more.len());
            let shown = names.iter().map(|(shown, _)| shown.clone()).zip(&values).chain(more);
            let mut text = Writer::default();
            shown.for_each(|(name, value)| text.member(&name, value));
            let text = text.finish().unwrap().get().to_owned();
            let there = map(&mapping(&names), &text).unwrap();
            let back: Vec<_> = names.iter().map(|(shown, name)| (name.clone(), shown.clone())).collect();
            prop_assert_eq!(map(&mapping(&back), &there).unwrap(), text);
        }

        #[test]
        fn each_value_arrives_under_the_name_that_the_tool_knows(names in names(), values in prop::collection::vec(json(), 12)) {
            let sent: Map<String, Value> =
                names.iter().map(|(shown, _)| shown.clone()).zip(values.iter().cloned()).collect();
            let expected: Map<String, Value> =
                names.iter().map(|(_, name)| name.clone()).zip(values.iter().cloned()).collect();
            let mapped = map(&mapping(&names), &Value::Object(sent).to_string()).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&mapped).unwrap(), Value::Object(expected));
        }

        #[test]
        fn any_json_is_mapped_or_refused(names in names(), text in raw()) {
            if let Ok(mapped) = map(&mapping(&names), text.get()) {
                prop_assert!(serde_json::from_str::<Map<String, Value>>(&mapped).is_ok());
            }
        }

        #[test]
        fn no_sentence_about_a_hidden_argument_reaches_a_client(name in "[a-z]{1,5}", rest in "[.\\[][a-z]{0,5}", why: String) {
            let hidden = Argument { name: name.clone(), ..Argument::default() };
            let mapping = Mapping { arguments: vec![hidden], others: Others::Pass };
            prop_assert_eq!(mapping.rename(&format!("invalid argument `{name}{rest}`: {why}")), None);
            prop_assert_eq!(mapping.rename(&format!("invalid arguments: missing field `{name}`, {why}")), None);
        }
    }
}
