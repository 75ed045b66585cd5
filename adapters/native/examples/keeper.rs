//! Does with a store what its standard input says and tells each thing once it is done, so that a test can end it in
//! the middle of its work: `keeper PATH`, where PATH is as `--store` takes it.
//!
//! | it is told | it answers |
//! | --- | --- |
//! | `puts FROM TO BYTES` | each number once its entry of so many bytes is written |
//! | `rewrites FROM TO BYTES` | the same, and it is one entry, `same`, that is written over and over |
//! | `transacts FROM TO` | each number once it is in all items that one transaction can change |
//! | `check FROM TO BYTES` | `sound` where each of these entries is there and whole, `lost N` where not |
//! | `put_if ITEM VALUE`, `take ITEM` | `won` or `lost` |
//! | `goes to FOLDER` | `there` once that is the folder it works in |
//!
//! A failure is answered with `error` and its kind, and nothing comes after it on that line.

use std::{
    env::ArgsOs,
    ffi::OsString,
    io::{self, BufRead, Write as _},
    process::ExitCode,
    sync::Arc,
};

use edgemcp::store::{
    Condition, Consistency, Key, KeyError, Partition, Store, StoreError, TRANSACTION_WRITES_MAX, Write,
};
use edgemcp_native::{FileStore, SqliteStore, SystemClock};

fn partition() -> Result<Partition, KeyError> {
    Partition::new("faults", "kept")
}

/// Which entry a line of text is about, and of how many bytes.
fn value(n: usize, bytes: usize) -> String {
    let mut value = format!("{n} ").repeat(bytes / 2 + 1);
    value.truncate(bytes);
    value
}

fn say(answer: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()
}

async fn put_all(
    store: &dyn Store,
    item: impl Fn(usize) -> String,
    from: usize,
    to: usize,
    bytes: usize,
) -> Result<(), StoreError> {
    for n in from..to {
        store.put(&partition()?.item(item(n))?, value(n, bytes).into(), None).await?;
        // Whoever does not listen any more does not want to know.
        let _ = say(&n.to_string());
    }
    Ok(())
}

async fn transact_all(store: &dyn Store, from: usize, to: usize) -> Result<(), StoreError> {
    for n in from..to {
        let writes: Vec<_> = (0..TRANSACTION_WRITES_MAX)
            .map(|at| Write::put(format!("at-{at}"), n.to_string(), None))
            .collect();
        store.transact(&partition()?, &writes).await?;
        let _ = say(&n.to_string());
    }
    Ok(())
}

async fn check_all(store: &dyn Store, from: usize, to: usize, bytes: usize) -> Result<String, StoreError> {
    for n in from..to {
        let found = store.get(&partition()?.item(n.to_string())?, Consistency::Strong).await?;
        if found.is_none_or(|entry| entry.value != value(n, bytes)) {
            return Ok(format!("lost {n}"));
        }
    }
    Ok("sound".to_owned())
}

async fn answer(store: &dyn Store, line: &str) -> Result<String, StoreError> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| word.parse::<usize>().unwrap_or_default();
    let won = |won| if won { "won" } else { "lost" }.to_owned();
    match *words {
        ["puts", from, to, bytes] => {
            let item = |n: usize| n.to_string();
            put_all(store, item, number(from), number(to), number(bytes)).await.map(|()| "done".to_owned())
        }
        ["rewrites", from, to, bytes] => {
            let item = |_| "same".to_owned();
            put_all(store, item, number(from), number(to), number(bytes)).await.map(|()| "done".to_owned())
        }
        ["transacts", from, to] => {
            transact_all(store, number(from), number(to)).await.map(|()| "done".to_owned())
        }
        ["check", from, to, bytes] => check_all(store, number(from), number(to), number(bytes)).await,
        ["put_if", item, value] => {
            let key: Key = partition()?.item(item)?;
            store.put_if(&key, value.to_owned().into(), None, Condition::Absent).await.map(won)
        }
        ["goes", "to", folder] => Ok(match std::env::set_current_dir(folder) {
            Ok(()) => "there".to_owned(),
            Err(error) => format!("not there: {error}"),
        }),
        ["take", item] => store.take(&partition()?.item(item)?).await.map(|taken| won(taken.is_some())),
        _ => Ok(format!("{line:?} is nothing that can be done")),
    }
}

fn store(path: OsString) -> Box<dyn Store> {
    let clock = Arc::new(SystemClock);
    if path.as_encoded_bytes().ends_with(b"/") {
        Box::new(FileStore::open(path, clock))
    } else {
        Box::new(SqliteStore::open(path, clock))
    }
}

async fn keep(mut args: ArgsOs) -> io::Result<ExitCode> {
    let Some(path) = args.nth(1) else {
        eprintln!("usage: keeper PATH");
        return Ok(ExitCode::from(2));
    };
    let store = store(path);
    for line in io::stdin().lock().lines() {
        match answer(&*store, &line?).await {
            Ok(answer) => say(&answer)?,
            Err(error) => {
                eprintln!("{error}");
                say(&format!("error {:?}", error.kind()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> io::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(keep(std::env::args_os()))
}
