//! Says where a list goes on, in a text that a client hands back (2026-07-28, server/utilities/pagination).
//!
//! A cursor names its list, its page, and what the list was when it was given out: a list that has changed since gives
//! no page that would miss something or show it twice. It is not sealed, since whoever makes one up only gets a page.

use ::base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{Context, SHA256};

use crate::model::Listing;

/// What a list is, in a few bytes: they differ where the list does.
pub(crate) type Fingerprint = [u8; 8];

/// What a list of these names is, in pages of this size.
pub(crate) fn fingerprint<'a>(names: impl Iterator<Item = &'a str>, page_size: usize) -> Fingerprint {
    let mut hash = Context::new(&SHA256);
    hash.update(&page_size.to_be_bytes());
    for name in names {
        hash.update(name.as_bytes());
        // No name holds it, so no two lists read alike.
        hash.update(&[0]);
    }
    let mut list = Fingerprint::default();
    list.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
    list
}

/// The cursor for the page with this number.
pub(crate) fn write(listing: Listing, list: &Fingerprint, page: u32) -> String {
    let mut bytes = vec![listing as u8];
    bytes.extend_from_slice(list);
    bytes.extend_from_slice(&page.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The number of the page that `cursor` asks for; `None` where it is none of this list as it is now.
pub(crate) fn read(cursor: &str, listing: Listing, list: &Fingerprint) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (kind, rest) = bytes.split_first()?;
    let (of, page) = rest.split_first_chunk::<8>()?;
    let page = u32::from_be_bytes(page.try_into().ok()?);
    (*kind == listing as u8 && of == list).then(|| usize::try_from(page).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_as_it_was() {
        let cursor = write(Listing::Tools, b"12345678", 3);
        assert_eq!(read(&cursor, Listing::Tools, b"12345678"), Some(3));
        assert_eq!(read(&cursor, Listing::Prompts, b"12345678"), None);
        assert_eq!(read(&cursor, Listing::Tools, b"12345679"), None);
        assert_eq!(read(cursor.get(1..).unwrap(), Listing::Tools, b"12345678"), None);
        assert_eq!(read(&format!("{cursor}AAAA"), Listing::Tools, b"12345678"), None);
        for wrong in ["", "ü", "AAAA"] {
            assert_eq!(read(wrong, Listing::Tools, b"12345678"), None, "{wrong:?}");
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_cursor_is_read_as_it_was_written_and_for_no_other_list(
            which in 0..Listing::ALL.len(), other in 0..Listing::ALL.len(), list: Fingerprint,
            another: Fingerprint, page: u32, text: String,
        ) {
            let (listing, other) = (Listing::ALL[which], Listing::ALL[other]);
            let cursor = write(listing, &list, page);
            prop_assert_eq!(read(&cursor, listing, &list), usize::try_from(page).ok());
            prop_assert_eq!(read(&cursor, other, &list).is_some(), listing == other);
            prop_assert_eq!(read(&cursor, listing, &another).is_some(), list == another);
            prop_assert_eq!(read(&text, listing, &list), None);
        }

        #[test]
        fn two_lists_have_two_fingerprints(
            one in prop::collection::vec("[a-z]{0,3}", 0..4), other in prop::collection::vec("[a-z]{0,3}", 0..4),
            size in 1..9_usize, another in 1..9_usize,
        ) {
            let of = |names: &[String], size| fingerprint(names.iter().map(String::as_str), size);
            prop_assert_eq!(of(&one, size) == of(&other, another), (one, size) == (other, another));
        }
    }
}
