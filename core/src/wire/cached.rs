//! Responses as they are kept to answer the same request again, in no revision's form: what is written is read as it was.
//!
//! Names are one letter, since a store is paid by the byte. A server of another version of this crate may read what this one
//! wrote; what it does not understand it does not find, so a name never gets another meaning.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::{exact, jsonrpc::present};
use crate::{
    base64::Base64,
    model::{
        Annotations, Block, CacheHint, CacheScope, Content, Meta, PromptMessage, ResourceContents,
        ResourceData, ResourceLink, Role, Text, Whole,
    },
    output::{PromptOutput, ResourceOutput, ToolOutput},
};

/// A response that can be kept.
pub(crate) trait Cached: Sized {
    /// The response as JSON; `None` for one that is not to be kept.
    fn write(&self) -> Option<String>;

    /// The response that was written as `json`; `None` where it is none.
    fn read(json: &str) -> Option<Self>;
}

impl Cached for ToolOutput {
    fn write(&self) -> Option<String> {
        if self.is_error {
            return None;
        }
        serde_json::to_string(&Tool {
            content: self.content.iter().map(Piece::of).collect(),
            structured: self.structured.as_deref(),
            wrapped: self.wrapped,
            meta: ExactMeta(Cow::Borrowed(&self.meta)),
        })
        .ok()
    }

    fn read(json: &str) -> Option<Self> {
        let Tool { content, structured, wrapped, meta } = super::read(json.as_bytes())?;
        Some(Self {
            content: content.into_iter().map(Piece::into_content).collect(),
            structured: structured.map(ToOwned::to_owned),
            is_error: false,
            meta: meta.0.into_owned(),
            wrapped,
        })
    }
}

impl Cached for ResourceOutput {
    fn write(&self) -> Option<String> {
        let contents = self.contents.iter().map(Contents::of).collect();
        let CacheHint { ttl_ms, scope } = self.cache;
        serde_json::to_string(&Resource { contents, ttl_ms, public: scope == CacheScope::Public }).ok()
    }

    fn read(json: &str) -> Option<Self> {
        let Resource { contents, ttl_ms, public } = super::read(json.as_bytes())?;
        let scope = if public { CacheScope::Public } else { CacheScope::Private };
        let contents = contents.into_iter().map(Contents::into_contents).collect();
        Some(Self { contents, cache: CacheHint { ttl_ms, scope } })
    }
}

impl Cached for PromptOutput {
    fn write(&self) -> Option<String> {
        let messages = self.messages.iter().map(|message| {
            let by_user = message.role == Role::User;
            Message { by_user, content: Piece::of(&message.content) }
        });
        serde_json::to_string(&Prompt {
            description: Cow::Borrowed(&self.description),
            messages: messages.collect(),
        })
        .ok()
    }

    fn read(json: &str) -> Option<Self> {
        let Prompt { description, messages } = super::read(json.as_bytes())?;
        let messages = messages.into_iter().map(|Message { by_user, content }| PromptMessage {
            role: if by_user { Role::User } else { Role::Assistant },
            content: content.into_content(),
        });
        Some(Self { description: text(description), messages: messages.collect() })
    }
}

fn text(text: Cow<'_, str>) -> Text {
    text.into_owned().into()
}

#[derive(Serialize, Deserialize)]
struct Tool<'a> {
    /// Never left out: what has none of these members would otherwise be an answer with nothing in it.
    #[serde(rename = "c", borrow)]
    content: Vec<Piece<'a>>,
    #[serde(
        rename = "s",
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    structured: Option<&'a RawValue>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    wrapped: Option<bool>,
    #[serde(rename = "m", borrow, default, skip_serializing_if = "ExactMeta::is_empty")]
    meta: ExactMeta<'a>,
}

#[derive(Serialize, Deserialize)]
struct Resource<'a> {
    #[serde(rename = "c", borrow)]
    contents: Vec<Contents<'a>>,
    #[serde(rename = "t")]
    ttl_ms: u64,
    #[serde(rename = "p")]
    public: bool,
}

#[derive(Serialize, Deserialize)]
struct Prompt<'a> {
    #[serde(rename = "d", borrow)]
    description: Cow<'a, str>,
    #[serde(rename = "m", borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Message<'a> {
    #[serde(rename = "u")]
    by_user: bool,
    #[serde(rename = "c", borrow)]
    content: Piece<'a>,
}

/// A block of content.
#[derive(Serialize, Deserialize)]
struct Piece<'a> {
    #[serde(rename = "b", borrow)]
    block: Kind<'a>,
    #[serde(rename = "a", borrow, default, skip_serializing_if = "Option::is_none")]
    hints: Option<Hints<'a>>,
}

#[derive(Serialize, Deserialize)]
enum Kind<'a> {
    #[serde(rename = "t", borrow)]
    Text(Cow<'a, str>),
    #[serde(rename = "i")]
    Image(Base64, #[serde(borrow)] Cow<'a, str>),
    #[serde(rename = "s")]
    Sound(Base64, #[serde(borrow)] Cow<'a, str>),
    #[serde(rename = "l", borrow)]
    Link(Link<'a>),
    #[serde(rename = "r", borrow)]
    Embedded(Contents<'a>),
    /// Another server's, with its type.
    #[serde(rename = "w")]
    Whole(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, RawValue>),
}

#[derive(Serialize, Deserialize)]
struct Link<'a> {
    #[serde(rename = "u", borrow)]
    uri: Cow<'a, str>,
    #[serde(rename = "n", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "d", borrow, default, skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    #[serde(rename = "m", borrow, default, skip_serializing_if = "Option::is_none")]
    mime_type: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct Contents<'a> {
    #[serde(rename = "u", borrow)]
    uri: Cow<'a, str>,
    #[serde(rename = "k", borrow, default, skip_serializing_if = "Option::is_none")]
    mime_type: Option<Cow<'a, str>>,
    #[serde(rename = "d", borrow)]
    data: Data<'a>,
    #[serde(rename = "m", borrow, default, skip_serializing_if = "ExactMeta::is_empty")]
    meta: ExactMeta<'a>,
}

#[derive(Serialize, Deserialize)]
enum Data<'a> {
    #[serde(rename = "t", borrow)]
    Text(Cow<'a, str>),
    #[serde(rename = "b")]
    Blob(Base64),
}

#[derive(Serialize, Deserialize)]
struct Hints<'a> {
    /// Whether it is for the user, for each it is for.
    #[serde(rename = "u", default, skip_serializing_if = "Vec::is_empty")]
    for_user: Vec<bool>,
    /// The bits of the priority.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    priority: Option<u64>,
    #[serde(rename = "l", borrow, default, skip_serializing_if = "Option::is_none")]
    last_modified: Option<Cow<'a, str>>,
}

impl<'a> Piece<'a> {
    fn of(content: &'a Content) -> Self {
        let block = match &content.block {
            Block::Text(text) => Kind::Text(text.into()),
            Block::Image { data, mime_type } => Kind::Image(Base64(data.clone()), Cow::Borrowed(mime_type)),
            Block::Audio { data, mime_type } => Kind::Sound(Base64(data.clone()), Cow::Borrowed(mime_type)),
            Block::Link(ResourceLink { uri, name, description, mime_type }) => Kind::Link(Link {
                uri: Cow::Borrowed(uri),
                name: Cow::Borrowed(name),
                description: description.as_deref().map(Cow::Borrowed),
                mime_type: mime_type.as_deref().map(Cow::Borrowed),
            }),
            Block::Embedded(contents) => Kind::Embedded(Contents::of(contents)),
            Block::Whole(Whole { kind, json }) => Kind::Whole(kind.into(), Cow::Borrowed(json)),
        };
        let hints = content.annotations.as_ref().map(|annotations| Hints {
            for_user: annotations.audience.iter().map(|role| *role == Role::User).collect(),
            priority: annotations.priority.map(f64::to_bits),
            last_modified: annotations.last_modified.as_deref().map(Cow::Borrowed),
        });
        Self { block, hints }
    }

    fn into_content(self) -> Content {
        let block = match self.block {
            Kind::Text(text) => Block::Text(text.into_owned()),
            Kind::Image(Base64(data), mime_type) => Block::Image { data, mime_type: text(mime_type) },
            Kind::Sound(Base64(data), mime_type) => Block::Audio { data, mime_type: text(mime_type) },
            Kind::Link(link) => Block::Link(ResourceLink {
                uri: text(link.uri),
                name: text(link.name),
                description: link.description.map(text),
                mime_type: link.mime_type.map(text),
            }),
            Kind::Embedded(contents) => Block::Embedded(contents.into_contents()),
            Kind::Whole(kind, json) => {
                Block::Whole(Whole { kind: kind.into_owned(), json: json.into_owned() })
            }
        };
        let annotations = self.hints.map(|hints| Annotations {
            audience: hints
                .for_user
                .into_iter()
                .map(|for_user| if for_user { Role::User } else { Role::Assistant })
                .collect(),
            priority: hints.priority.map(f64::from_bits),
            last_modified: hints.last_modified.map(text),
        });
        Content { block, annotations }
    }
}

impl<'a> Contents<'a> {
    fn of(contents: &'a ResourceContents) -> Self {
        Self {
            uri: Cow::Borrowed(&contents.uri),
            mime_type: contents.mime_type.as_deref().map(Cow::Borrowed),
            data: match &contents.data {
                ResourceData::Text(text) => Data::Text(text.into()),
                ResourceData::Blob(data) => Data::Blob(Base64(data.clone())),
            },
            meta: ExactMeta(Cow::Borrowed(&contents.meta)),
        }
    }

    fn into_contents(self) -> ResourceContents {
        ResourceContents {
            uri: text(self.uri),
            mime_type: self.mime_type.map(text),
            data: match self.data {
                Data::Text(text) => ResourceData::Text(text.into_owned()),
                Data::Blob(Base64(data)) => ResourceData::Blob(data),
            },
            meta: self.meta.0.into_owned(),
        }
    }
}

/// A `_meta` whose floats are read as they were written.
struct ExactMeta<'a>(Cow<'a, Meta>);

impl Default for ExactMeta<'_> {
    fn default() -> Self {
        Self(Cow::Owned(Meta::new()))
    }
}

impl ExactMeta<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for ExactMeta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ExactMeta<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let meta = exact::object(raw.get()).ok_or_else(|| D::Error::custom("expected an object"))?;
        Ok(Self(Cow::Owned(meta)))
    }
}

#[cfg(test)]
mod properties {
    use bytes::Bytes;
    use proptest::{option, prelude::*};
    use serde_json::json;

    use super::*;
    use crate::properties::{config, object, raw};

    fn floats() -> impl Strategy<Value = f64> {
        proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO
    }

    fn meta() -> impl Strategy<Value = Meta> {
        (object(), floats()).prop_map(|(mut meta, float)| {
            if !meta.is_empty() {
                meta.insert("float".to_owned(), json!([float]));
            }
            meta
        })
    }

    fn some_text() -> impl Strategy<Value = Text> {
        any::<String>().prop_map(Text::from)
    }

    fn data() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..16).prop_map(Bytes::from)
    }

    fn contents() -> impl Strategy<Value = ResourceContents> {
        let kept =
            prop_oneof![any::<String>().prop_map(ResourceData::Text), data().prop_map(ResourceData::Blob)];
        (some_text(), option::of(some_text()), kept, meta())
            .prop_map(|(uri, mime_type, data, meta)| ResourceContents { uri, mime_type, data, meta })
    }

    fn annotations() -> impl Strategy<Value = Annotations> {
        let role = prop_oneof![Just(Role::User), Just(Role::Assistant)];
        (prop::collection::vec(role, 0..3), option::of(floats()), option::of(some_text()))
            .prop_map(|(audience, priority, last_modified)| Annotations { audience, priority, last_modified })
    }

    fn content() -> impl Strategy<Value = Content> {
        let block = prop_oneof![
            any::<String>().prop_map(Block::Text),
            (data(), some_text()).prop_map(|(data, mime_type)| Block::Image { data, mime_type }),
            (data(), some_text()).prop_map(|(data, mime_type)| Block::Audio { data, mime_type }),
            (some_text(), some_text(), option::of(some_text()), option::of(some_text())).prop_map(
                |(uri, name, description, mime_type)| {
                    Block::Link(ResourceLink { uri, name, description, mime_type })
                }
            ),
            contents().prop_map(Block::Embedded),
            (any::<String>(), raw()).prop_map(|(kind, json)| Block::Whole(Whole { kind, json })),
        ];
        (block, option::of(annotations())).prop_map(|(block, annotations)| Content { block, annotations })
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn what_a_tool_has_answered_is_read_as_it_was(
            content in prop::collection::vec(content(), 0..4), structured in option::of(raw()), wrapped: Option<bool>,
            meta in meta(),
        ) {
            let output = ToolOutput { content, structured, is_error: false, meta, wrapped };
            let read = ToolOutput::read(&output.write().unwrap()).unwrap();
            prop_assert_eq!(read.content, output.content);
            prop_assert_eq!(read.structured.map(|json| json.get().to_owned()), output.structured.map(|json| json.get().to_owned()));
            prop_assert_eq!((read.wrapped, read.is_error), (output.wrapped, false));
            prop_assert_eq!(serde_json::to_string(&read.meta).unwrap(), serde_json::to_string(&output.meta).unwrap());
            prop_assert_eq!(read.meta, output.meta);
        }

        #[test]
        fn what_a_resource_holds_is_read_as_it_was(
            contents in prop::collection::vec(contents(), 0..4), ttl_ms: u64, public: bool,
        ) {
            let scope = if public { CacheScope::Public } else { CacheScope::Private };
            let output = ResourceOutput { contents, cache: CacheHint { ttl_ms, scope } };
            let read = ResourceOutput::read(&output.write().unwrap()).unwrap();
            prop_assert_eq!((read.contents, read.cache), (output.contents, output.cache));
        }

        #[test]
        fn what_a_prompt_says_is_read_as_it_was(
            description in some_text(), messages in prop::collection::vec((any::<bool>(), content()), 0..4),
        ) {
            let message = |(by_user, content)| PromptMessage { role: if by_user { Role::User } else { Role::Assistant }, content };
            let output = PromptOutput { description, messages: messages.into_iter().map(message).collect() };
            let read = PromptOutput::read(&output.write().unwrap()).unwrap();
            prop_assert_eq!((read.description, read.messages), (output.description, output.messages));
        }

        #[test]
        fn whatever_else_stands_in_the_store_is_nothing(json in raw(), text: String) {
            for text in [json.get(), &text] {
                let _ = (ToolOutput::read(text), ResourceOutput::read(text), PromptOutput::read(text));
            }
        }
    }

    #[test]
    fn a_failure_is_not_kept() {
        assert!(ToolOutput::new().content("no").is_error().write().is_none());
        assert_eq!(ToolOutput::new().write().as_deref(), Some("{\"c\":[]}"));
    }
}
