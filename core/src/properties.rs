//! What the properties beside the code share: how their cases are drawn, and JSON of any kind.

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use serde_json::{Map, Value, value::RawValue};

use crate::platform::{Random, RandomError};

/// The same cases in every run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` draw others, and more.
pub(crate) fn config() -> Config {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    Config { rng_seed, failure_persistence: None, ..given }
}

/// Any JSON.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Halves, since serde_json reads a float to within one unit of its last place.
        any::<i32>().prop_map(|halves| Value::from(f64::from(halves) / 2.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Any JSON object.
pub(crate) fn object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((any::<String>(), json()), 0..4).prop_map(|members| members.into_iter().collect())
}

/// JSON as text, with whitespace in it or without.
pub(crate) fn raw() -> impl Strategy<Value = Box<RawValue>> {
    (json(), any::<bool>()).prop_map(|(value, is_pretty)| {
        let text =
            if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        RawValue::from_string(text.unwrap()).unwrap()
    })
}

/// Randomness that a case has drawn.
pub(crate) struct Drawn(pub(crate) u64);

impl Random for Drawn {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        let bytes = self.0.to_be_bytes();
        buffer.iter_mut().zip(bytes.iter().cycle()).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}
