//! Reads the command line, and the variables behind it.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use lexopt::{Arg, Parser};

/// The name a server is reached by unless said otherwise: this machine only.
const HOST: &str = "127.0.0.1";

/// The port unless said otherwise.
const PORT: u16 = 8000;

/// Every option, as an unknown one is answered.
const ALL: &str = "--transport, --host, --port, --store, --env-file, --middleware, --help, --version";

/// The variable that names a file of variables.
const ENV_FILE: &str = "EDGEMCP_ENV_FILE";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve, as far as it says how.
    Serve(Box<Given>),
    /// Tell how to use the program.
    Help,
    /// Tell the server's name and version.
    Version,
    /// Draw the server's middlewares.
    Middleware,
}

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) transport: Transport,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) store: StorePlace,
}

/// How clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    Stdio,
}

/// Where the store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StorePlace {
    /// In this user's data folder.
    Default,
    /// In the process's memory.
    Memory,
    /// In this file.
    File(PathBuf),
    /// In this folder, each entry in a file of its own.
    Folder(PathBuf),
    /// Where this URL says.
    Url(StoreUrl),
}

/// A store's URL, and the option or variable it came from. Its debug form does not show it: it may have a password in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoreUrl {
    pub(crate) from: String,
    pub(crate) url: String,
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreUrl").field("from", &self.from).finish_non_exhaustive()
    }
}

/// A command line, or a variable, that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionsError(String);

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Command {
    /// Reads `args`, which start after the program's name.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, OptionsError> {
        let mut given = Given::default();
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|error| OptionsError(error.to_string()))? {
            match arg {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Help),
                Arg::Short('V') | Arg::Long("version") => return Ok(Self::Version),
                Arg::Long("middleware") => return Ok(Self::Middleware),
                Arg::Long("transport") => given.transport = Some(value(&mut parser, "--transport")?),
                Arg::Long("host") => given.host = Some(value(&mut parser, "--host")?),
                Arg::Short('p') | Arg::Long("port") => given.port = Some(value(&mut parser, "--port")?),
                Arg::Long("store") => given.store = Some(value(&mut parser, "--store")?),
                Arg::Long("env-file") => given.env_files.push(value(&mut parser, "--env-file")?),
                Arg::Long(name) => {
                    return Err(OptionsError(format!("there is no option `--{name}` (there are {ALL})")));
                }
                Arg::Short(name) => {
                    return Err(OptionsError(format!("there is no option `-{name}` (there are {ALL})")));
                }
                Arg::Value(value) => {
                    let value = value.display();
                    return Err(OptionsError(format!("{value:?} is no option (there are {ALL})")));
                }
            }
        }
        Ok(Self::Serve(Box::new(given)))
    }
}

fn value(parser: &mut Parser, option: &'static str) -> Result<Setting, OptionsError> {
    match parser.value() {
        Ok(value) => Ok(Setting { from: option.to_owned(), value }),
        Err(_) => Err(OptionsError(format!("`{option}` needs a value (see `--help`)"))),
    }
}

/// A value as it came, and the option or variable it came from.
#[derive(Debug)]
struct Setting {
    from: String,
    value: OsString,
}

impl Setting {
    fn text(&self) -> Result<&str, OptionsError> {
        self.value.to_str().ok_or_else(|| self.wrong("it is not UTF-8"))
    }

    fn wrong(&self, why: &str) -> OptionsError {
        OptionsError(format!("{} is {:?}: {why}", self.from, self.value.display().to_string()))
    }
}

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Given {
    transport: Option<Setting>,
    host: Option<Setting>,
    port: Option<Setting>,
    store: Option<Setting>,
    env_files: Vec<Setting>,
}

/// The value of a variable, and the file it stands in.
pub(crate) type Found = (OsString, Option<PathBuf>);

impl Given {
    /// The files of variables that are named: by the command line, and where it is silent by the process's own variable.
    pub(crate) fn env_files(
        &self,
        var: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Vec<PathBuf>, OptionsError> {
        if let Some(empty) = self.env_files.iter().find(|setting| setting.value.is_empty()) {
            return Err(empty.wrong("it is a file's path"));
        }
        let given = self.env_files.iter().map(|setting| PathBuf::from(&setting.value));
        let var = var(ENV_FILE).filter(|value| self.env_files.is_empty() && !value.is_empty());
        Ok(given.chain(var.map(PathBuf::from)).collect())
    }

    /// How to serve, with the variables where the command line is silent.
    pub(crate) fn or_vars(self, var: impl Fn(&str) -> Option<Found>) -> Result<Options, OptionsError> {
        // A variable that is set to nothing is how some shells and tools unset one.
        let or = |given: Option<Setting>, name: &str| {
            let variable = |(value, file): Found| {
                let place = |file: &Path| format!("{name} in {}", file.display());
                Setting { from: file.as_deref().map_or_else(|| name.to_owned(), place), value }
            };
            given.or_else(|| var(name).filter(|(value, _)| !value.is_empty()).map(variable))
        };
        let all = Self {
            transport: or(self.transport, "EDGEMCP_TRANSPORT"),
            host: or(self.host, "EDGEMCP_HOST"),
            port: or(self.port, "EDGEMCP_PORT"),
            store: or(self.store, "EDGEMCP_STORE"),
            env_files: self.env_files,
        };
        all.check()
    }

    fn check(self) -> Result<Options, OptionsError> {
        Ok(Options {
            transport: self.transport.as_ref().map_or(Ok(Transport::Http), transport)?,
            host: self.host.as_ref().map_or(Ok(HOST.to_owned()), host)?,
            port: self.port.as_ref().map_or(Ok(PORT), port)?,
            store: self.store.map_or(Ok(StorePlace::Default), store)?,
        })
    }
}

fn transport(given: &Setting) -> Result<Transport, OptionsError> {
    match given.text()? {
        "http" => Ok(Transport::Http),
        "stdio" => Ok(Transport::Stdio),
        _ => Err(given.wrong("a transport is http or stdio")),
    }
}

fn host(given: &Setting) -> Result<String, OptionsError> {
    let text = given.text()?;
    // An IPv6 address is often written as in a URL.
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_name = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if bare.parse::<IpAddr>().is_ok() || is_name {
        return Ok(bare.to_owned());
    }
    Err(given
        .wrong("a host is an address or a name without port or scheme, such as 127.0.0.1, ::1 or localhost"))
}

fn port(given: &Setting) -> Result<u16, OptionsError> {
    let text = given.text()?;
    text.parse().map_err(|_| given.wrong("a port is a number from 0 (any free one) to 65535"))
}

fn store(given: Setting) -> Result<StorePlace, OptionsError> {
    match given.value.to_str() {
        Some("") => Err(given.wrong(
            "a store is a file's path, a folder's with `/` at its end, `memory`, or a URL such as redis://host",
        )),
        // As SQLite's own tools call it, too.
        Some("memory" | ":memory:") => Ok(StorePlace::Memory),
        // It may end as a folder's path does.
        Some(url) if is_url(url) => Ok(StorePlace::Url(StoreUrl { from: given.from.clone(), url: url.to_owned() })),
        _ if is_folder(&given.value) => Ok(StorePlace::Folder(given.value.into())),
        _ => Ok(StorePlace::File(given.value.into())),
    }
}

/// Whether the path ends as only a folder's does. What is on the disk does not decide it, so that a path means the same
/// before its first use and after.
fn is_folder(path: &OsStr) -> bool {
    path.as_encoded_bytes().last().is_some_and(|&last| std::path::is_separator(char::from(last)))
}

/// Whether it begins with a scheme and `://`, as no file's path does.
fn is_url(text: &str) -> bool {
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(of_scheme)
    })
}

/// The answer to `--help`.
pub(crate) fn help(program: &str) -> String {
    format!(
        "\
An MCP server.

Usage: {program} [OPTIONS]

Options:
  --transport http|stdio  How clients reach it: over HTTP, or over this
                          process's standard input and output
                          [default: http] [variable: EDGEMCP_TRANSPORT]
  --host HOST             The address to listen on; 0.0.0.0 or :: for all of
                          this machine's
                          [default: {HOST}] [variable: EDGEMCP_HOST]
  -p, --port PORT         The port to listen on; 0 for any free one
                          [default: {PORT}] [variable: EDGEMCP_PORT]
  --store PATH|memory|URL The SQLite file to keep the store in; or, where PATH
                          ends with `/`, the folder to keep each entry in as a
                          JSON file; or `memory` for a store that ends with
                          the process; or the URL of a store that this program
                          was built with, such as redis://host:6379
                          [default: store.sqlite3 under the server's name in
                          this user's data folder] [variable: EDGEMCP_STORE]
  --env-file PATH         The file to read variables from that this process was
                          not given; of several the last counts
                          [default: .dev.vars and .env in the working
                          directory] [variable: EDGEMCP_ENV_FILE]
  --middleware            Print which middlewares stand around what, in their
                          order
  -h, --help              Print this help
  -V, --version           Print the server's name and version

Variables:
  EDGEMCP_LOG             What is logged to standard error: debug, info,
                          warning, error or off [default: info]
  EDGEMCP_LOG_FORMAT      How: text or json [default: text]
  EDGEMCP_SEAL_KEYS       What sessions, states and handles are sealed with:
                          the output of `openssl rand -base64 32`
                          [default: a key that is made for this machine]
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(args: &[&str]) -> Given {
        match Command::parse(args.iter().map(Into::into)) {
            Ok(Command::Serve(given)) => *given,
            other => panic!("{other:?}"),
        }
    }

    /// What is wrong with a command line.
    fn refused(args: &[&str]) -> String {
        let refused = match Command::parse(args.iter().map(Into::into)) {
            Ok(Command::Serve(given)) => given.or_vars(|_| None).map(|_| ()),
            other => other.map(|_| ()),
        };
        refused.unwrap_err().to_string()
    }

    fn with_vars(args: &[&str], vars: &[(&str, &str)]) -> Result<Options, String> {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (value.into(), None));
        given(args).or_vars(var).map_err(|error| error.to_string())
    }

    fn serve(args: &[&str], vars: &[(&str, &str)]) -> Options {
        with_vars(args, vars).unwrap()
    }

    #[test]
    fn nothing_said_is_http_on_loopback_with_the_default_store() {
        let expected = Options {
            transport: Transport::Http,
            host: "127.0.0.1".to_owned(),
            port: 8000,
            store: StorePlace::Default,
        };
        assert_eq!(serve(&[], &[]), expected);
        let empty =
            [("EDGEMCP_HOST", ""), ("EDGEMCP_PORT", ""), ("EDGEMCP_TRANSPORT", ""), ("EDGEMCP_STORE", "")];
        assert_eq!(serve(&[], &empty), expected);
    }

    #[test]
    fn every_option_is_read_in_both_spellings() {
        let expected = Options {
            transport: Transport::Stdio,
            host: "0.0.0.0".to_owned(),
            port: 9000,
            store: StorePlace::File("a b.sqlite3".into()),
        };
        let apart = ["--transport", "stdio", "--host", "0.0.0.0", "--port", "9000", "--store", "a b.sqlite3"];
        assert_eq!(serve(&apart, &[]), expected);
        let joined = ["--transport=stdio", "--host=0.0.0.0", "-p9000", "--store=a b.sqlite3"];
        assert_eq!(serve(&joined, &[]), expected);
    }

    #[test]
    fn variables_stand_in_and_the_command_line_wins() {
        let vars = [
            ("EDGEMCP_TRANSPORT", "stdio"),
            ("EDGEMCP_HOST", "localhost"),
            ("EDGEMCP_PORT", "1"),
            ("EDGEMCP_STORE", "memory"),
        ];
        let options = serve(&[], &vars);
        assert_eq!(
            (options.transport, &*options.host, options.port, options.store),
            (Transport::Stdio, "localhost", 1, StorePlace::Memory)
        );
        let options = serve(&["--transport=http", "--host=::1", "--port=2", "--store=./memory"], &vars);
        assert_eq!(
            (options.transport, &*options.host, options.port, options.store),
            (Transport::Http, "::1", 2, StorePlace::File("./memory".into()))
        );
    }

    #[test]
    fn help_and_version_win_over_what_is_wrong_elsewhere() {
        let parse = |args: &[&str]| Command::parse(args.iter().map(Into::into));
        assert!(matches!(parse(&["--help", "--nonsense"]), Ok(Command::Help)));
        assert!(matches!(parse(&["-V"]), Ok(Command::Version)));
        assert!(matches!(parse(&["-h"]), Ok(Command::Help)));
        assert!(matches!(parse(&["--middleware"]), Ok(Command::Middleware)));
        assert!(matches!(parse(&["--env-file", "", "--version"]), Ok(Command::Version)));
    }

    #[test]
    fn the_files_that_are_read_are_those_of_the_command_line_or_that_of_the_variable() {
        let files = |args: &[&str], var: Option<&str>| {
            let var = |name: &str| var.filter(|_| name == "EDGEMCP_ENV_FILE").map(OsString::from);
            given(args).env_files(var).map_err(|error| error.to_string())
        };
        assert_eq!(files(&[], None), Ok(vec![]));
        assert_eq!(files(&[], Some("")), Ok(vec![]));
        assert_eq!(files(&[], Some("a b.env")), Ok(vec!["a b.env".into()]));
        let two = ["--env-file", "one.env", "--env-file=two.env"];
        assert_eq!(files(&two, Some("three.env")), Ok(vec!["one.env".into(), "two.env".into()]));
        assert_eq!(files(&["--env-file="], None), Err("--env-file is \"\": it is a file's path".to_owned()));
    }

    #[test]
    fn a_variable_that_is_wrong_says_which_file_it_stands_in() {
        let var = |name: &str| (name == "EDGEMCP_PORT").then(|| ("many".into(), Some("a/.env".into())));
        let error = given(&[]).or_vars(var).unwrap_err().to_string();
        assert!(error.starts_with("EDGEMCP_PORT in a/.env is \"many\": "), "{error}");
    }

    #[test]
    fn what_is_no_option_is_named_with_those_there_are() {
        for (args, start) in [
            (&["--prot", "9000"][..], "there is no option `--prot`"),
            (&["-x"], "there is no option `-x`"),
            (&["serve"], "\"serve\" is no option"),
        ] {
            assert_eq!(refused(args), format!("{start} (there are {ALL})"));
        }
    }

    #[test]
    fn a_missing_value_is_named() {
        for option in ["--transport", "--host", "--port", "--store", "--env-file"] {
            assert_eq!(refused(&[option]), format!("`{option}` needs a value (see `--help`)"));
        }
    }

    #[test]
    fn a_port_is_a_number_of_sixteen_bits_and_a_wrong_one_says_where_it_came_from() {
        assert_eq!(serve(&["--port", "65535"], &[]).port, 65535);
        assert_eq!(serve(&["--port", "0"], &[]).port, 0);
        let why = "a port is a number from 0 (any free one) to 65535";
        assert_eq!(refused(&["--port", "65536"]), format!("--port is \"65536\": {why}"));
        let from_var = with_vars(&[], &[("EDGEMCP_PORT", "http")]).unwrap_err();
        assert_eq!(from_var, format!("EDGEMCP_PORT is \"http\": {why}"));
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        for (given, host) in [
            ("[::1]", "::1"),
            ("::", "::"),
            ("localhost", "localhost"),
            ("my-machine.local", "my-machine.local"),
        ] {
            assert_eq!(serve(&["--host", given], &[]).host, host);
        }
        for given in ["http://localhost", "localhost:80", "", "[x]", "a b", "127.0.0.1/"] {
            assert!(refused(&["--host", given]).contains("a host is an address or a name"), "{given:?}");
        }
    }

    #[test]
    fn an_unknown_transport_and_an_empty_store_say_what_there_is() {
        assert_eq!(refused(&["--transport", "sse"]), "--transport is \"sse\": a transport is http or stdio");
        assert_eq!(
            refused(&["--store="]),
            "--store is \"\": a store is a file's path, a folder's with `/` at its end, `memory`, or a URL such as \
             redis://host"
        );
    }

    #[test]
    fn a_path_that_ends_as_a_folders_is_a_folder() {
        for given in ["notes/", "./", "/", "memory/", "a b/"] {
            assert_eq!(serve(&["--store", given], &[]).store, StorePlace::Folder(given.into()));
        }
        for given in ["notes", "notes/store", "memory.", ".."] {
            assert_eq!(serve(&["--store", given], &[]).store, StorePlace::File(given.into()));
        }
    }

    #[test]
    fn a_url_is_no_path_and_is_not_shown() {
        for url in [
            "redis://u:s3cret@h:6379/1",
            "redis://h/",
            "unix:///run/redis.sock",
            "redis+unix:///s",
            "anything://",
        ] {
            let options = serve(&["--store", url], &[]);
            let expected = StoreUrl { from: "--store".to_owned(), url: url.to_owned() };
            assert_eq!(options.store, StorePlace::Url(expected));
            assert!(!format!("{options:?}").contains("s3cret"), "{options:?}");
        }
        for path in ["file:store", "./a://b", "a b://c", "://x", "C:\\store", "redis:6379"] {
            assert_eq!(serve(&["--store", path], &[]).store, StorePlace::File(path.into()), "{path}");
        }
        let StorePlace::Url(from_var) = serve(&[], &[("EDGEMCP_STORE", "redis://h")]).store else { panic!() };
        assert_eq!(from_var.from, "EDGEMCP_STORE");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf_8_is_a_path_but_no_host() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(b"a\xff".to_vec());
        let options = |args: [OsString; 2]| match Command::parse(args) {
            Ok(Command::Serve(given)) => given.or_vars(|_| None),
            other => panic!("{other:?}"),
        };
        let store = options(["--store".into(), odd.clone()]).unwrap().store;
        assert!(matches!(store, StorePlace::File(path) if path == odd));
        assert!(options(["--host".into(), odd]).is_err());
    }

    #[test]
    fn the_help_names_every_option_and_variable() {
        let help = help("calculator");
        for name in ALL.split(", ") {
            assert!(help.contains(name), "{name}");
        }
        for name in ["TRANSPORT", "HOST", "PORT", "STORE", "ENV_FILE", "LOG", "LOG_FORMAT", "SEAL_KEYS"] {
            assert!(help.contains(&format!("EDGEMCP_{name}")), "{name}");
        }
        assert!(help.contains("Usage: calculator [OPTIONS]"));
        let too_long = help.lines().find(|line| line.len() > 79);
        assert_eq!(too_long, None, "it fits a terminal");
    }
}
