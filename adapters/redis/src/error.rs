//! Tells what a failed command means for a caller, whether it may be sent again, and what the log reads.

use edgemcp::store::{StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError};

use crate::config::RedisConfig;

/// A failed attempt.
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    /// Redis did nothing: the command was not sent, or was refused before it began.
    pub(crate) nothing_done: bool,
    /// Redis does not have the script, and is to be sent it.
    pub(crate) is_unknown_script: bool,
}

impl Failure {
    /// What ends an operation that nothing helps.
    pub(crate) fn of(kind: StoreErrorKind, operation: &'static str, detail: impl Into<String>) -> Self {
        let error = StoreError::new(kind, operation, detail);
        Self { error, nothing_done: false, is_unknown_script: false }
    }

    /// Nobody knows whether it was done.
    pub(crate) fn lost(operation: &'static str, detail: impl Into<String>) -> Self {
        Self::of(StoreErrorKind::Unavailable, operation, detail)
    }

    /// The same, where it is known that the command was not sent.
    #[must_use]
    pub(crate) fn unsent(mut self) -> Self {
        self.nothing_done = true;
        self
    }
}

/// What Redis' refusals mean: the code, the kind, whether another try at once may help, and the way out.
const REFUSALS: &[(&str, StoreErrorKind, bool, &str)] = &[
    ("CORRUPT", StoreErrorKind::Corrupt, false, ""),
    (
        "WRONGTYPE",
        StoreErrorKind::Corrupt,
        false,
        "something else keeps its own under this name (set another `prefix`)",
    ),
    ("NOTACOUNTER", StoreErrorKind::NotACounter, false, ""),
    ("NOAUTH", StoreErrorKind::Denied, false, "it asks for a password (redis://user:password@host)"),
    ("WRONGPASS", StoreErrorKind::Denied, false, "is this the user, and this the password?"),
    (
        "NOPERM",
        StoreErrorKind::Denied,
        false,
        "the user needs what the crate's documentation lists, on its keys and channels",
    ),
    (
        "OOM",
        StoreErrorKind::Unavailable,
        false,
        "its memory is full (raise `maxmemory`, or delete what is not needed; entries that end are deleted by themselves)",
    ),
    (
        "READONLY",
        StoreErrorKind::Unavailable,
        true,
        "this is a replica (name the primary, or the address that follows it)",
    ),
    ("LOADING", StoreErrorKind::Unavailable, true, "it reads its data, and will serve in a while"),
    ("NOSCRIPT", StoreErrorKind::Unavailable, true, "it has forgotten the store's scripts"),
    ("BUSY", StoreErrorKind::Unavailable, true, "a script keeps it busy"),
    ("TRYAGAIN", StoreErrorKind::Unavailable, true, "the cluster moves this partition"),
    ("CLUSTERDOWN", StoreErrorKind::Unavailable, true, "the cluster has no node for this partition"),
    ("MASTERDOWN", StoreErrorKind::Unavailable, true, "its primary is down"),
    ("MISCONF", StoreErrorKind::Unavailable, false, "it cannot write to its disk, and so takes no writes"),
    (
        "NOREPLICAS",
        StoreErrorKind::Unavailable,
        true,
        "it has fewer replicas than it must have to take writes",
    ),
    ("CROSSSLOT", StoreErrorKind::Denied, false, ""),
];

/// The error of a command that failed at the Redis of `config`.
pub(crate) fn failed(operation: &'static str, config: &RedisConfig, error: &RedisError) -> Failure {
    let detail = without_arguments(error.detail().unwrap_or_default());
    let text = error.to_string();
    let text = without_arguments(&text);
    if let Some(code) = code(error) {
        if matches!(code, "MOVED" | "ASK") {
            return moved(operation, config.is_cluster(), code);
        }
        if let Some((code, kind, nothing_done, way_out)) = REFUSALS.iter().find(|(known, ..)| *known == code)
        {
            let mut text = format!("Redis says {code} {detail}").trim_end().to_owned();
            if !way_out.is_empty() {
                text.push_str(&format!(" ({way_out})"));
            }
            let failure = Failure::of(*kind, operation, text);
            return Failure {
                nothing_done: *nothing_done,
                is_unknown_script: code == &"NOSCRIPT",
                ..failure
            };
        }
    }
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::ClusterConnectionNotFound => {
            Failure::lost(operation, format!("the connection to {config} failed: {text}"))
        }
        ErrorKind::AuthenticationFailed => Failure::of(
            StoreErrorKind::Denied,
            operation,
            format!("Redis takes neither this user nor this password: {text} (redis://user:password@host)"),
        ),
        ErrorKind::RESP3NotSupported => Failure::of(
            StoreErrorKind::Denied,
            operation,
            format!("this Redis is older than 6.0, or a proxy that speaks as one that is: {text}"),
        ),
        _ => Failure::of(StoreErrorKind::Denied, operation, format!("Redis refuses it: {text}")),
    }
}

/// What Redis says of a command it does not know, without the command's arguments: one of them may be the password.
fn without_arguments(text: &str) -> &str {
    text.split(", with args beginning with").next().unwrap_or_default()
}

fn moved(operation: &'static str, is_cluster: bool, code: &str) -> Failure {
    match is_cluster {
        true => {
            Failure::lost(operation, format!("the partition has moved to another node ({code})")).unsent()
        }
        false => Failure::of(
            StoreErrorKind::Denied,
            operation,
            "this Redis is one of a cluster (say so with `?cluster` in its URL)",
        ),
    }
}

/// The code of a refusal. What fails within a script has it at the front since Redis 7, and inside the text before; only
/// what the user may not do there has none.
fn code(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    let detail = error.detail().unwrap_or_default();
    if code == "ERR" && detail.starts_with("The user executing the script can't") {
        return Some("NOPERM");
    }
    if code != "ERR" || !detail.starts_with("Error running script") {
        return Some(code);
    }
    let mut words = detail.split(|c: char| !c.is_ascii_uppercase());
    words.find(|word| REFUSALS.iter().any(|(known, ..)| known == word)).or(Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reply: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    fn config(url: &str) -> RedisConfig {
        url.parse().unwrap()
    }

    fn judged(reply: &str) -> (StoreErrorKind, bool, String) {
        let Failure { error, nothing_done, .. } = failed("put", &config("redis://h"), &said(reply));
        (error.kind(), nothing_done, error.to_string())
    }

    #[test]
    fn a_refusal_says_what_it_is_whether_it_may_be_sent_again_and_the_way_out() {
        use StoreErrorKind::{Corrupt, Denied, NotACounter, Unavailable};
        for (reply, kind, nothing_done, part) in [
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Corrupt, false, "`prefix`"),
            ("CORRUPT the entry was not written by this store", Corrupt, false, "not written"),
            ("NOTACOUNTER the entry is no counter", NotACounter, false, "no counter"),
            ("NOAUTH Authentication required.", Denied, false, "user:password"),
            ("WRONGPASS invalid username-password pair", Denied, false, "the password?"),
            ("NOPERM User app has no permissions to run the 'set' command", Denied, false, "documentation"),
            ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable, false, "maxmemory"),
            ("READONLY You can't write against a read only replica.", Unavailable, true, "primary"),
            ("LOADING Redis is loading the dataset in memory", Unavailable, true, "in a while"),
            ("NOSCRIPT No matching script.", Unavailable, true, "forgotten"),
            ("BUSY Redis is busy running a script.", Unavailable, true, "script"),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable, true, "moves"),
            ("CLUSTERDOWN The cluster is down", Unavailable, true, "no node"),
            ("MASTERDOWN Link with MASTER is down", Unavailable, true, "primary"),
            ("NOREPLICAS Not enough good replicas to write.", Unavailable, true, "replicas"),
            ("MISCONF Redis is configured to save RDB snapshots", Unavailable, false, "disk"),
            ("MOVED 12 127.0.0.1:7000", Denied, false, "?cluster"),
            ("ERR unknown command 'EVALSHA'", Denied, false, "EVALSHA"),
            ("STRANGE things", Denied, false, "STRANGE"),
        ] {
            let (is, may, text) = judged(reply);
            assert_eq!((is, may), (kind, nothing_done), "{reply}");
            assert!(text.starts_with("store put: ") && text.contains(part), "{text}");
        }
    }

    #[test]
    fn before_redis_7_the_code_stands_inside_what_a_script_failed_with() {
        let start = "ERR Error running script (call to f_0a1b): @user_script:29: @user_script: 29:";
        assert_eq!(judged(&format!("{start} -OOM command not allowed")).0, StoreErrorKind::Unavailable);
        assert_eq!(judged(&format!("{start} WRONGTYPE Operation against a key")).0, StoreErrorKind::Corrupt);
        assert_eq!(judged(&format!("{start} something new")).0, StoreErrorKind::Denied);
    }

    #[test]
    fn a_partition_that_has_moved_is_asked_for_again_in_a_cluster() {
        for reply in ["MOVED 12 127.0.0.1:7000", "ASK 12 127.0.0.1:7000"] {
            let Failure { error, nothing_done, .. } =
                failed("put", &config("redis://h/?cluster"), &said(reply));
            assert_eq!((error.kind(), nothing_done), (StoreErrorKind::Unavailable, true));
        }
    }

    #[test]
    fn what_a_command_was_sent_with_is_not_told() {
        let reply = "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'app' 's3cret'";
        let (kind, _, text) = judged(reply);
        assert_eq!(kind, StoreErrorKind::Denied);
        assert!(text.contains("HELLO") && !text.contains("s3cret"), "{text}");
    }
}
