//! `edgemcp store`: lists collections and their sizes, shows an entry without its secrets, purges what has expired.

mod place;
mod redact;
mod text;

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use clap::{Args, Subcommand};
use edgemcp::{
    platform::{Clock as _, Timestamp, Vars as _},
    store::{Consistency, Key, Survey, SurveyPage, Surveyed},
};
use edgemcp_native::{EnvVars, SystemClock};
use serde_json::{Value, json};

use self::{
    place::Place,
    text::{Column, age, printable, size, table},
};

/// The variable that names the store where no option does; servers take theirs from it too.
const STORE_VARIABLE: &str = "EDGEMCP_STORE";

/// The arguments of `edgemcp store`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where it is kept: a path (an SQLite file, or a folder of a file store), `redis://…`, or `dynamodb:TABLE`. Without
    /// it and `--server`, the variable EDGEMCP_STORE says it
    #[arg(long, short, global = true, value_name = "PLACE")]
    store: Option<String>,

    /// The server whose default store on this machine is meant, by its name
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "store")]
    server: Option<String>,

    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the collections: how many entries each has, in how many partitions, how many bytes, how many have expired
    Collections,
    /// List the entries of a collection, or of one of its partitions
    List {
        /// `COLLECTION` or `COLLECTION/ID`
        #[arg(value_name = "COLLECTION[/ID]")]
        of: String,
        /// How many entries at the most
        #[arg(long, default_value = "100", value_name = "COUNT")]
        limit: NonZeroUsize,
    },
    /// Show one entry. What looks like a secret is left out
    Show {
        /// `COLLECTION/ID/ITEM`
        key: Key,
        /// Show the value as it is, secrets included. Control characters are escaped
        #[arg(long)]
        reveal: bool,
    },
    /// Delete one entry
    Delete {
        /// `COLLECTION/ID/ITEM`
        key: Key,
    },
    /// Delete what has expired, where the store has not done it yet
    Purge,
    /// Make the DynamoDB table, on demand and with its TTL attribute, where it is not there yet
    CreateTable,
}

/// Runs the command; what it says goes to standard output.
///
/// # Errors
/// What went wrong, for whoever typed it.
pub(crate) async fn run(arguments: Arguments) -> Result<String, String> {
    let Arguments { store, server, json, command } = arguments;
    // Not read by clap, to which a variable that a server's own environment sets would contradict `--server`.
    let store = match (&store, &server) {
        (None, None) => EnvVars.var(STORE_VARIABLE),
        _ => store,
    };
    let place = Place::read(store.as_deref(), server.as_deref())?;
    let clock = Arc::new(SystemClock);
    let now = clock.now();
    if let Command::CreateTable = command {
        return place.create_table(clock).await;
    }
    let store = place.open(clock)?;
    let text = match command {
        Command::Collections => collections(&*store, now, json).await,
        Command::List { of, limit } => list(&*store, &of, limit.get(), now, json).await,
        Command::Show { key, reveal } => show(&*store, &key, reveal, now, json).await,
        Command::Delete { key } => delete(&*store, &key, json).await,
        Command::Purge => purge(&*store, json).await,
        Command::CreateTable => Ok(String::new()),
    };
    text.map_err(|error| format!("{place}: {error}"))
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Hands every entry of the store to `each`, until that says that it is enough.
async fn survey(store: &dyn Survey, mut each: impl FnMut(Surveyed) -> bool) -> Result<(), Failed> {
    let mut after = None::<String>;
    loop {
        let SurveyPage { entries, next } = store.survey(after.as_deref()).await?;
        for entry in entries {
            if !each(entry) {
                return Ok(());
            }
        }
        match next {
            None => return Ok(()),
            next => after = next,
        }
    }
}

/// What there is of a collection.
#[derive(Default)]
struct Counts {
    partitions: std::collections::BTreeSet<String>,
    entries: usize,
    bytes: usize,
    expired: usize,
}

async fn collections(store: &dyn Survey, now: Timestamp, json: bool) -> Result<String, Failed> {
    let mut found = BTreeMap::<String, Counts>::new();
    let mut seen = std::collections::BTreeSet::new();
    survey(store, |entry| {
        // A survey may tell an entry twice.
        if seen.insert(entry.key.clone()) {
            let partition = entry.key.partition();
            let counts = found.entry(partition.collection().to_owned()).or_default();
            counts.partitions.insert(partition.id().to_owned());
            counts.entries += 1;
            counts.bytes += entry.value_bytes;
            counts.expired += usize::from(entry.expires_at.is_some_and(|end| end <= now));
        }
        true
    })
    .await?;
    if json {
        let rows = found.iter().map(|(collection, counts)| {
            json!({
                "collection": collection,
                "partitions": counts.partitions.len(),
                "entries": counts.entries,
                "bytes": counts.bytes,
                "expired": counts.expired,
            })
        });
        return Ok(lines(rows));
    }
    if found.is_empty() {
        return Ok("the store is empty\n".to_owned());
    }
    let rows = found.iter().map(|(collection, counts)| {
        let numbers = [counts.partitions.len(), counts.entries].map(|count| count.to_string());
        let [partitions, entries] = numbers;
        vec![collection.clone(), partitions, entries, size(counts.bytes), counts.expired.to_string()]
    });
    let columns = [
        Column::left("COLLECTION"),
        Column::right("PARTITIONS"),
        Column::right("ENTRIES"),
        Column::right("SIZE"),
        Column::right("EXPIRED"),
    ];
    Ok(table(&columns, rows))
}

async fn list(
    store: &dyn Survey,
    of: &str,
    limit: usize,
    now: Timestamp,
    json: bool,
) -> Result<String, Failed> {
    let (collection, id) = of.split_once('/').map_or((of, None), |(collection, id)| (collection, Some(id)));
    let mut found = BTreeMap::new();
    let mut is_cut = false;
    survey(store, |entry| {
        let partition = entry.key.partition();
        if partition.collection() == collection && id.is_none_or(|id| partition.id() == id) {
            is_cut = found.len() >= limit && !found.contains_key(&entry.key);
            if !is_cut {
                found.insert(entry.key.clone(), entry);
            }
        }
        !is_cut
    })
    .await?;
    if json {
        let rows = found.values().map(|entry| {
            json!({
                "key": entry.key.to_string(),
                "bytes": entry.value_bytes,
                "expires_at": entry.expires_at.map(Timestamp::to_rfc3339),
                "expired": entry.expires_at.is_some_and(|end| end <= now),
            })
        });
        return Ok(lines(rows));
    }
    if found.is_empty() {
        return Ok(format!(
            "the store has nothing of {of} (`edgemcp store collections` lists what it has)\n"
        ));
    }
    let rows = found
        .values()
        .map(|entry| vec![entry.key.to_string(), size(entry.value_bytes), age(entry.expires_at, now)]);
    let mut text = table(&[Column::left("KEY"), Column::right("SIZE"), Column::left("ENDS")], rows);
    if is_cut {
        text.push_str(&format!("… and more (`--limit` for more than {limit})\n"));
    }
    Ok(text)
}

async fn show(
    store: &dyn Survey,
    key: &Key,
    reveal: bool,
    now: Timestamp,
    json: bool,
) -> Result<String, Failed> {
    let Some(entry) = store.get(key, Consistency::Strong).await? else {
        return Err(format!("there is no entry {key}, or it has expired").into());
    };
    let shown = if reveal { redact::reveal(&entry.value) } else { redact::redact(&entry.value) };
    if json {
        return Ok(lines([json!({
            "key": key.to_string(),
            "bytes": entry.value.len(),
            "sha256": redact::digest(&entry.value),
            "expires_at": entry.expires_at.map(Timestamp::to_rfc3339),
            "kind": shown.kind,
            "value": shown.value,
        })]));
    }
    let value = match &shown.value {
        Value::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value)?,
    };
    Ok(format!(
        "key     {key}\nkind    {}\nsize    {}\nsha256  {}\nends    {}\n\n{value}\n",
        shown.kind,
        size(entry.value.len()),
        redact::digest(&entry.value),
        age(entry.expires_at, now),
        value = printable(&value),
    ))
}

async fn delete(store: &dyn Survey, key: &Key, json: bool) -> Result<String, Failed> {
    let was_there = store.get(key, Consistency::Strong).await?.is_some();
    store.delete(key).await?;
    Ok(match (json, was_there) {
        (true, _) => lines([json!({"key": key.to_string(), "deleted": was_there})]),
        (false, true) => format!("{key} is deleted\n"),
        (false, false) => format!("there was no entry {key}\n"),
    })
}

async fn purge(store: &dyn Survey, json: bool) -> Result<String, Failed> {
    let purged = store.purge_expired().await?;
    Ok(match json {
        true => lines([json!({"purged": purged})]),
        false if purged == 1 => "1 expired entry is deleted\n".to_owned(),
        false => format!("{purged} expired entries are deleted\n"),
    })
}

/// One JSON text a line.
fn lines(values: impl IntoIterator<Item = Value>) -> String {
    values.into_iter().map(|value| format!("{value}\n")).collect()
}
