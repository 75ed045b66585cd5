//! Calls that outlive the request they came with.
//!
//! A legacy client that is asked something answers with a request of its own, which any instance may get; it may also
//! come back for the answer of its call on another connection. So such a call is kept in the store, and whichever
//! instance gets there takes it up: the handler runs again, each ask is answered from the store, and a lease makes sure
//! that one instance runs it.

mod kept;
mod outside;
mod take_up;
mod too_large;

pub(crate) use self::{
    kept::{BEGUN, CALL_TTL, Done, Found, Kept, LEASE, ask_record, step_item},
    outside::{Outside, Watched},
    take_up::{answer, is_whose, run, take_up},
};

use crate::changes::STREAM;

/// The id of an event of a call's stream, from which the call can be taken up.
pub(crate) fn event_id(call: &str, place: u32) -> String {
    format!("{call}.{place}")
}

/// The call and the place that an event's id names, or the stream of changes and the second.
pub(crate) fn read_event_id(id: &str) -> Option<(&str, u32)> {
    let (call, place) = id.split_once('.')?;
    let is_id = call == STREAM || call.len() == 32 && call.bytes().all(|b| b.is_ascii_hexdigit());
    Some((call, place.parse().ok()?)).filter(|_| is_id)
}

/// The id of a request to the client: the call it is made for, and which ask of that call it is.
pub(crate) fn ask_id(call: &str, number: usize) -> String {
    format!("{call}.{number}")
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn an_id_is_read_as_it_was_written(call: [u8; 16], place: u32, text: String) {
            let call: String = call.iter().map(|byte| format!("{byte:02x}")).collect();
            for call in [&*call, STREAM] {
                let (event, ask) = (event_id(call, place), ask_id(call, usize::try_from(place).unwrap()));
                prop_assert_eq!(read_event_id(&event), Some((call, place)));
                prop_assert_eq!(read_event_id(&ask), Some((call, place)));
            }
            // What is read could be the key of a call.
            if let Some((call, _)) = read_event_id(&text) {
                prop_assert!(crate::store::Partition::new("calls", call).is_ok());
            }
        }
    }
}
