//! The sentences of the contract, one file per thing a store does.

mod atomic;
mod batch;
mod counter;
mod entry;
mod expiry;
mod key;
mod listing;
mod survey;
mod transaction;
mod watch;

use crate::Case;

/// Every case, file by file.
pub(crate) const ALL: &[&[Case]] = &[
    entry::CASES,
    key::CASES,
    expiry::CASES,
    atomic::CASES,
    counter::CASES,
    listing::CASES,
    batch::CASES,
    transaction::CASES,
    watch::CASES,
    survey::CASES,
];

/// A list of cases from what each needs and the function it is, whose name is its sentence.
macro_rules! cases {
    ($($need:ident: $name:ident,)*) => {
        pub(super) const CASES: &[$crate::Case] = &[$($crate::Case {
            name: stringify!($name),
            need: $crate::Need::$need,
            run: |ground| Box::pin($name(ground)),
        }),*];
    };
}
pub(crate) use cases;

/// How many callers meet where a case is about several at once.
pub(crate) const CALLERS: usize = 12;
