//! What must be there before a write: as the condition that DynamoDB checks, and as the question to an item that it
//! returned.
//!
//! Every condition also asks whether a value in parts would be overwritten. Whoever overwrites one must know its parts,
//! to delete them; so a write first goes through only where there are none. DynamoDB then returns the item that it met,
//! and the write is sent again for exactly that one. A value that is small, over another that is small, costs nothing
//! more by it.

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{Condition, Entry},
};

use super::item::{EXPIRES_MS, Head, Item, LARGE_ID, PARTITION, Parts, encode, number, text};

/// The condition of an entry that has not ended.
pub(super) const LIVE: &str = "(attribute_not_exists(expires_ms) OR expires_ms > :now)";

/// What a write asks of the entry before it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected<'a> {
    /// Nothing.
    Anything,
    /// There is none, or it has ended.
    Absent,
    /// It has this value, and has not ended.
    Value(&'a Bytes),
    /// It is exactly this one, and has not ended.
    Entry(&'a Entry),
}

/// A condition as DynamoDB takes it.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) expression: String,
    values: Item,
}

impl<'a> Expected<'a> {
    pub(super) fn from(condition: Option<&'a Condition>) -> Self {
        match condition {
            None => Self::Anything,
            Some(Condition::Absent) => Self::Absent,
            Some(Condition::Equals(value)) => Self::Value(value),
        }
    }

    /// The value that the entry must have.
    pub(super) fn value(&self) -> Option<&'a Bytes> {
        match self {
            Self::Anything | Self::Absent => None,
            Self::Value(value) => Some(value),
            Self::Entry(entry) => Some(&entry.value),
        }
    }

    /// Whether it holds of what is there.
    pub(super) fn holds(&self, head: &Head, now: Timestamp) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => !head.is_live(now),
            Self::Value(value) => head.is_live(now) && head.equals(value),
            Self::Entry(entry) => {
                head.is_live(now) && head.expires_at == entry.expires_at && head.equals(&entry.value)
            }
        }
    }

    /// The condition of a write over an entry that is in one item, or in the parts `over`, or in its `own`, since a
    /// write that is sent again may meet itself.
    pub(super) fn guard(&self, over: Option<&Parts>, own: Option<&Parts>, now: Timestamp) -> Guard {
        let mut values = Item::new();
        let mut named = |name: &str, value: AttributeValue| values.insert(name.to_owned(), value);
        let expression = match self {
            Self::Anything => free(over, own, &mut named),
            Self::Absent => {
                named(":now", number(now.as_millis()));
                let free = free(over, own, &mut named);
                format!("attribute_not_exists({PARTITION}) OR ({EXPIRES_MS} <= :now AND ({free}))")
            }
            Self::Value(value) => {
                named(":now", number(now.as_millis()));
                let same = same(value, over, &mut named);
                format!("{same} AND {LIVE}")
            }
            Self::Entry(entry) => {
                let same = same(&entry.value, over, &mut named);
                match entry.expires_at {
                    None => format!("{same} AND attribute_not_exists({EXPIRES_MS})"),
                    Some(end) => {
                        named(":end", number(end.as_millis()));
                        named(":now", number(now.as_millis()));
                        format!("{same} AND {EXPIRES_MS} = :end AND {EXPIRES_MS} > :now")
                    }
                }
            }
        };
        Guard { expression, values }
    }
}

impl Guard {
    /// The values that the condition names, in the form that the AWS SDK takes: DynamoDB refuses an empty one.
    pub(super) fn values(&self) -> Option<Item> {
        Some(self.values.clone()).filter(|values| !values.is_empty())
    }
}

/// Takes the value of a name in a condition.
type Named<'a> = dyn FnMut(&str, AttributeValue) -> Option<AttributeValue> + 'a;

/// That no parts are overwritten but these.
fn free(over: Option<&Parts>, own: Option<&Parts>, named: &mut Named<'_>) -> String {
    let mut free = format!("attribute_not_exists({LARGE_ID})");
    for (name, parts) in [(":over", over), (":own", own)] {
        if let Some(parts) = parts {
            named(name, text(&parts.id));
            free.push_str(&format!(" OR {LARGE_ID} = {name}"));
        }
    }
    free
}

/// That the value is this one: itself where it is in the item, and otherwise the parts that were found to be it.
fn same(value: &Bytes, over: Option<&Parts>, named: &mut Named<'_>) -> String {
    if let Some(parts) = over {
        named(":over", text(&parts.id));
        return format!("{LARGE_ID} = :over");
    }
    let (name, value) = encode(value);
    named(":old", value);
    format!("{name} = :old")
}
