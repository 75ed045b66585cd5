//! What is damaged, cut short, of another key or of another time is noticed, and nothing breaks.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use edgemcp::store::{
    Condition, Consistency, Store, StoreErrorKind, Write,
    wrap::{SizeLimited, Unreadable},
};
use futures_executor::block_on;

use crate::stage::{KEY, MINUTE, OTHER_KEY, START, Stage, get, key, put, value};

/// Every way to read what is under a key, each of which must say that it is damaged.
fn refuses(store: &dyn Store, what: &str) {
    let corrupt = |error: Option<StoreErrorKind>, how: &str| {
        assert_eq!(error, Some(StoreErrorKind::Corrupt), "{what}, {how}");
    };
    let x = key("x");
    corrupt(block_on(store.get(&x, Consistency::Eventual)).err().map(|error| error.kind()), "get");
    let many = block_on(store.get_many(std::slice::from_ref(&x), Consistency::Strong));
    corrupt(many.err().map(|error| error.kind()), "get_many");
    corrupt(block_on(store.list(x.partition(), None, 10)).err().map(|error| error.kind()), "list");
    let equals = || Condition::Equals("a value of some length".into());
    let put_if = block_on(store.put_if(&x, "new".into(), None, equals()));
    corrupt(put_if.err().map(|error| error.kind()), "put_if");
    let writes = [Write::delete("x").when(equals())];
    corrupt(block_on(store.transact(x.partition(), &writes)).err().map(|error| error.kind()), "transact");
    corrupt(block_on(store.take(&x)).err().map(|error| error.kind()), "take");
}

/// Damages what `strict` has written in every place in turn, and cuts it off after every byte. `lenient` is the same
/// store where what cannot be read is absent.
fn damage_everywhere(on: &Stage, name: &str, strict: &dyn Store, lenient: &dyn Store) {
    put(strict, &key("x"), "a value of some length", None);
    let whole = get(&*on.memory, &key("x")).unwrap().value;
    let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
    for at in 0..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = whole.to_vec();
            bytes[at] ^= flip;
            damaged.push((format!("byte {at} ^ {flip}"), bytes));
        }
        damaged.push((format!("cut after {at}"), whole[..at].to_vec()));
    }
    damaged.push(("one byte more".to_owned(), [&whole[..], &[0]].concat()));
    damaged.push(("twice".to_owned(), whole.repeat(2)));
    damaged.push(("of another store".to_owned(), b"a value of some length".to_vec()));
    let foreign = on.encrypted(on.memory.clone(), OTHER_KEY);
    put(&foreign, &key("x"), "a value of some length", None);
    damaged.push(("sealed with another key".to_owned(), get(&*on.memory, &key("x")).unwrap().value.to_vec()));
    let rounds = damaged.len();
    for (what, bytes) in damaged {
        put(&*on.memory, &key("x"), bytes.clone(), Some(MINUTE));
        refuses(strict, &what);
        let below = get(&*on.memory, &key("x")).unwrap();
        assert_eq!((below.value, below.expires_at), (bytes.into(), Some(START.after(MINUTE))), "{what}");
        assert_eq!(get(lenient, &key("x")), None, "{what}");
    }
    put(&*on.memory, &key("x"), whole, None);
    assert_eq!(value(strict, &key("x")).as_deref(), Some("a value of some length"));
    println!("fault: a value damaged in each byte or cut off after it on {name}: {rounds} rounds, 0 lost");
}

#[test]
fn a_sealed_value_with_any_byte_changed_or_cut_off_is_noticed() {
    let on = Stage::new();
    let strict = on.encrypted(on.memory.clone(), KEY);
    let lenient = on.encrypted(on.memory.clone(), KEY).unreadable(Unreadable::Absent);
    damage_everywhere(&on, "Encrypted", &strict, &lenient);
    assert!(!on.log.text().contains("a value of some length"));
}

#[cfg(feature = "fernet")]
#[test]
fn a_fernet_token_with_any_byte_changed_or_cut_off_is_noticed() {
    use edgemcp::store::wrap::{Encrypted, Fernet};
    let on = Stage::new();
    let store = || {
        let keys = Fernet::parse(KEY).unwrap();
        Encrypted::new(on.memory.clone(), keys, on.clock(), on.random())
    };
    damage_everywhere(&on, "Encrypted (Fernet)", &store(), &store().unreadable(Unreadable::Absent));
}

#[test]
fn a_clock_that_was_moved_ends_entries_as_it_does_below_and_loses_none_before() {
    let on = Stage::new();
    let store = on.encrypted(on.memory.clone(), KEY);
    put(&store, &key("x"), "1", Some(MINUTE));
    block_on(store.increment(&key("n"), 1, Some(MINUTE))).unwrap();
    on.clock.advance(MINUTE - Duration::from_millis(1));
    assert_eq!(block_on(store.increment(&key("n"), 1, Some(MINUTE))).unwrap(), 2);
    assert_eq!(get(&store, &key("n")).unwrap().expires_at, Some(START.after(MINUTE)));
    assert_eq!(value(&store, &key("x")).as_deref(), Some("1"));
    on.clock.advance(Duration::from_millis(1));
    assert_eq!(get(&store, &key("x")), None);
    assert_eq!(block_on(store.increment(&key("n"), 1, Some(MINUTE))).unwrap(), 1);
    // A clock that stands at the beginning of time opens what was sealed later: a seal has no end of its own.
    put(&store, &key("y"), "1", None);
    let past = edgemcp_testkit::ManualClock::at(edgemcp::platform::Timestamp::from_millis(0));
    let keys = edgemcp::store::wrap::StoreKeys::parse(KEY).unwrap();
    let earlier = edgemcp::store::wrap::Encrypted::new(on.memory.clone(), keys, Arc::new(past), on.random());
    assert_eq!(value(&earlier, &key("y")).as_deref(), Some("1"));
}

/// A value at the limit of a stack is stored in each way there is, and one byte more is refused in each, with its size.
fn holds_its_limit(on: &Stage, store: &dyn Store, below_max: usize) {
    let max = store.capabilities().value_bytes_max.unwrap();
    assert!(max < below_max);
    // Random bytes, which no compression makes shorter.
    let value = |bytes: usize| {
        let mut noise = vec![0; bytes];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        noise.iter_mut().for_each(|byte| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        });
        Bytes::from(noise)
    };
    let x = key("x");
    let writes = |bytes| [Write::put("x", value(bytes), None)];
    let puts = |bytes| [edgemcp::store::Put::new(x.clone(), value(bytes), None)];
    put(store, &x, value(max), None);
    assert_eq!(get(store, &x).unwrap().value, value(max));
    assert!(get(&*on.memory, &x).unwrap().value.len() <= below_max);
    block_on(store.put_many(&puts(max))).unwrap();
    assert!(block_on(store.transact(x.partition(), &writes(max))).unwrap());
    assert!(block_on(store.put_if(&x, value(max), None, Condition::Equals(value(max)))).unwrap());
    let refused = |error: Option<edgemcp::store::StoreError>| {
        let error = error.unwrap();
        assert_eq!(error.kind(), StoreErrorKind::TooLarge);
        let said = format!("the value of notes/ada/x has {} bytes, more than {max}", max + 1);
        assert!(error.to_string().ends_with(&said), "{error}");
    };
    refused(block_on(store.put(&x, value(max + 1), None)).err());
    refused(block_on(store.put_many(&puts(max + 1))).err());
    refused(block_on(store.transact(x.partition(), &writes(max + 1))).err());
    refused(block_on(store.put_if(&x, value(max + 1), None, Condition::Equals(value(max)))).err());
    assert_eq!(get(store, &x).unwrap().value, value(max));
}

#[test]
fn the_largest_value_of_a_stack_is_what_it_says() {
    for below_max in [100, 101, 117, 1000, 4099] {
        let on = Stage::new();
        let limited = || Arc::new(SizeLimited::new(on.memory.clone(), below_max));
        let sealed = Arc::new(on.encrypted(limited(), KEY));
        holds_its_limit(&on, &*sealed, below_max);
        let twice = on.encrypted(sealed.clone(), KEY);
        holds_its_limit(&on, &twice, below_max);
        #[cfg(feature = "compression")]
        {
            use edgemcp::store::wrap::Compressed;
            let compressed = |below| Compressed::new(below, on.clock(), on.random()).from_bytes(64);
            holds_its_limit(&on, &compressed(limited()), below_max);
            holds_its_limit(&on, &compressed(sealed), below_max);
            let inside = on.encrypted(Arc::new(compressed(limited())), KEY);
            holds_its_limit(&on, &inside, below_max);
        }
        #[cfg(feature = "fernet")]
        {
            use edgemcp::store::wrap::{Encrypted, Fernet};
            let keys = Fernet::parse(KEY).unwrap();
            let store = Encrypted::new(limited(), keys, on.clock(), on.random());
            if store.capabilities().value_bytes_max > Some(0) {
                holds_its_limit(&on, &store, below_max);
            }
        }
    }
}
