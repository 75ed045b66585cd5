//! A configuration as a server has it: derived, read from a platform's settings, refused with everything that is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on may panic"
)]

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use edgemcp::{
    config::{ConfigError, Need, Problem, Reader, Variable},
    platform::{Platform, Timestamp, Vars},
    prelude::*,
};
use edgemcp_testkit::{Counting, ManualClock};

/// What a test sets beside what it is about.
struct And<'a, V>(&'a str, &'a str, V);

impl<V: Vars> Vars for And<'_, V> {
    fn var(&self, name: &str) -> Option<String> {
        if name == self.0 { Some(self.1.to_owned()) } else { self.2.var(name) }
    }
}

#[derive(Debug, PartialEq)]
enum Colour {
    Red,
}

impl FromStr for Colour {
    type Err = NoColour;

    fn from_str(text: &str) -> Result<Self, NoColour> {
        if text == "red" { Ok(Self::Red) } else { Err(NoColour(text.to_owned())) }
    }
}

#[derive(Debug)]
struct NoColour(String);

impl fmt::Display for NoColour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no colour, and red is one", self.0)
    }
}

/// A field of every kind.
#[derive(Debug, PartialEq, Config)]
#[config(prefix = "NOTES_")]
struct Settings {
    /// The key of the
    /// search service.
    ///
    /// Ask its operator.
    search_key: Secret,
    /// How many notes a page has.
    #[config(default = 20)]
    page_size: u8,
    /// How it is drawn.
    colour: Option<Colour>,
    #[config(default)]
    editors: Vec<String>,
    #[config(name = "WAIT_MAX", default = Duration::from_secs(2 * 5))]
    wait: Duration,
    #[config(default = "Notes")]
    title: String,
    r#loop: bool,
    #[config(nested)]
    mail: Mail,
    #[config(nested, prefix = "OTHER_")]
    other: Mail,
    #[config(nested, prefix = "")]
    bare: Bare,
}

#[derive(Debug, PartialEq, Config)]
struct Mail {
    /// Where mails go.
    #[config(name = "URL")]
    address: String,
    #[config(nested)]
    login: Login,
}

/// Nothing that must be set, two levels down.
#[derive(Debug, PartialEq, Config)]
#[config(prefix = "AS_")]
struct Login {
    user: Option<String>,
    #[config(default = Secret::new("nobody".to_owned()))]
    password: Secret,
}

#[derive(Debug, PartialEq, Config)]
struct Bare {
    bare: Option<i64>,
}

const LEAST: [(&str, &str); 4] = [
    ("NOTES_SEARCH_KEY", "hunter2"),
    ("NOTES_LOOP", "no"),
    ("NOTES_MAIL_URL", "smtp://a"),
    ("OTHER_URL", "smtp://b"),
];

#[test]
fn what_is_not_set_is_its_default() {
    let settings = Settings::from_vars(&LEAST).unwrap();
    let login = || Login { user: None, password: "nobody".into() };
    let expected = Settings {
        search_key: "hunter2".into(),
        page_size: 20,
        colour: None,
        editors: Vec::new(),
        wait: Duration::from_secs(10),
        title: "Notes".to_owned(),
        r#loop: false,
        mail: Mail { address: "smtp://a".to_owned(), login: login() },
        other: Mail { address: "smtp://b".to_owned(), login: login() },
        bare: Bare { bare: None },
    };
    assert_eq!(settings, expected);
}

#[test]
fn what_is_set_is_read_under_its_own_name() {
    let settings = Settings::from_vars(&[
        ("NOTES_SEARCH_KEY", "hunter2"),
        ("NOTES_PAGE_SIZE", "7"),
        ("NOTES_COLOUR", "red"),
        ("NOTES_EDITORS", "ada, grace,"),
        ("WAIT_MAX", "250ms"),
        ("NOTES_TITLE", " My notes "),
        ("NOTES_LOOP", "on"),
        ("NOTES_MAIL_URL", "smtp://a"),
        ("NOTES_MAIL_LOGIN_AS_USER", "ada"),
        ("OTHER_URL", "smtp://b"),
        ("OTHER_LOGIN_AS_PASSWORD", "swordfish"),
        ("BARE", "-1"),
    ])
    .unwrap();
    assert_eq!((settings.page_size, settings.colour, settings.r#loop), (7, Some(Colour::Red), true));
    assert_eq!(settings.editors, ["ada", "grace"]);
    assert_eq!((settings.wait, &*settings.title), (Duration::from_millis(250), " My notes "));
    assert_eq!(settings.mail.login.user.as_deref(), Some("ada"));
    assert_eq!(settings.other.login.password.expose(), "swordfish");
    assert_eq!(settings.bare.bare, Some(-1));
}

#[test]
fn a_platforms_settings_are_read_and_one_that_is_set_to_nothing_is_not_set() {
    let clock = ManualClock::at(Timestamp::from_millis(0));
    let vars = And("NOTES_PAGE_SIZE", "", And("NOTES_COLOUR", "", LEAST));
    let platform =
        Platform::builder(Arc::new(clock), Arc::new(Counting::default())).vars(Arc::new(vars)).build();
    let settings = Settings::from_platform(&platform).unwrap();
    assert_eq!((settings.page_size, settings.colour), (20, None));
    let vars = And("NOTES_LOOP", "", LEAST);
    assert_eq!(names(&Settings::from_vars(&vars).unwrap_err()), ["NOTES_LOOP"]);
}

fn names(error: &ConfigError) -> Vec<&str> {
    error.problems().iter().map(Problem::name).collect()
}

#[test]
fn everything_that_is_missing_or_malformed_is_said_at_once_with_the_way_out() {
    let error = Settings::from_vars(&[
        ("NOTES_PAGE_SIZE", "many"),
        ("NOTES_COLOUR", "blue"),
        ("WAIT_MAX", "10"),
        ("NOTES_MAIL_URL", "smtp://a"),
        ("BARE", "x"),
    ])
    .unwrap_err();
    let on = "set it in the environment or in `.env`, on Workers";
    let expected = [
        &format!(
            "`NOTES_SEARCH_KEY` is not set; it takes a text (The key of the search service): {on} with `wrangler \
             secret put NOTES_SEARCH_KEY`"
        ),
        &format!(
            "`NOTES_PAGE_SIZE` is \"many\"; it takes a whole number from 0 to 255 (How many notes a page has): {on} \
             under `[vars]` in wrangler.toml"
        ),
        &format!(
            "`NOTES_COLOUR` is \"blue\": blue is no colour, and red is one (How it is drawn): {on} under `[vars]` in \
             wrangler.toml"
        ),
        &format!(
            "`WAIT_MAX` is \"10\"; it takes a time such as 250ms, 30s, 5m, 2h or 1d: {on} under `[vars]` in wrangler.toml"
        ),
        &format!("`NOTES_LOOP` is not set; it takes true or false: {on} under `[vars]` in wrangler.toml"),
        &format!(
            "`OTHER_URL` is not set; it takes a text (Where mails go): {on} under `[vars]` in wrangler.toml"
        ),
        &format!("`BARE` is \"x\"; it takes a whole number: {on} under `[vars]` in wrangler.toml"),
    ];
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_listed_is_what_is_read() {
    let variable =
        |name: &str| Settings::variables().into_iter().find(|variable| variable.name == name).unwrap();
    let key = variable("NOTES_SEARCH_KEY");
    assert_eq!(key.description, "The key of the search service.\n\nAsk its operator.");
    assert_eq!((key.need, key.secret, key.expected.as_deref()), (Need::Required, true, Some("a text")));
    let default = |text: &str| Need::Default(Some(text.to_owned()));
    for (name, need, secret) in [
        ("NOTES_PAGE_SIZE", default("20"), false),
        ("NOTES_COLOUR", Need::Optional, false),
        ("NOTES_EDITORS", Need::Default(None), false),
        ("WAIT_MAX", default("Duration::from_secs(2*5)"), false),
        ("NOTES_TITLE", default("Notes"), false),
        ("NOTES_LOOP", Need::Required, false),
        ("NOTES_MAIL_LOGIN_AS_USER", Need::Optional, false),
        // A default that is a secret is none to tell.
        ("OTHER_LOGIN_AS_PASSWORD", Need::Default(None), true),
        ("BARE", Need::Optional, false),
    ] {
        let Variable { need: found, secret: is_secret, .. } = variable(name);
        assert_eq!((found, is_secret), (need, secret), "{name}");
    }
    // Exactly these are asked for.
    struct Asked(std::sync::Mutex<BTreeSet<String>>);
    impl Vars for Asked {
        fn var(&self, name: &str) -> Option<String> {
            self.0.lock().unwrap().insert(name.to_owned());
            None
        }
    }
    let asked = Asked(std::sync::Mutex::default());
    assert!(Settings::from_vars(&asked).is_err());
    let listed: BTreeSet<String> = Settings::variables().into_iter().map(|variable| variable.name).collect();
    assert_eq!(*asked.0.lock().unwrap(), listed);
    assert_eq!(listed.len(), 14);
}

#[test]
fn no_error_holds_a_secret_however_it_is_malformed() {
    #[derive(Debug, Config)]
    #[expect(dead_code, reason = "none of them can be read")]
    struct Secrets {
        number: Secret<u32>,
        colour: Secret<Hue>,
        some: Option<Secret<u8>>,
        list: Vec<Secret<u16>>,
        hidden_list: Secret<Vec<u16>>,
    }
    /// Names what it refuses, as many do.
    #[derive(Debug)]
    struct Hue;
    impl edgemcp::config::Zeroize for Hue {
        fn zeroize(&mut self) {}
    }
    impl FromStr for Hue {
        type Err = NoColour;
        fn from_str(text: &str) -> Result<Self, NoColour> {
            Err(NoColour(text.to_owned()))
        }
    }
    let error = Secrets::from_vars(&[
        ("NUMBER", "hunter1"),
        ("COLOUR", "hunter2"),
        ("SOME", "hunter3"),
        ("LIST", "1,hunter4"),
        ("HIDDEN_LIST", "1,hunter5"),
    ])
    .unwrap_err();
    assert_eq!(names(&error), ["NUMBER", "COLOUR", "SOME", "LIST", "HIDDEN_LIST"]);
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains("hunter"), "{shown}");
    }
    for problem in error.problems() {
        let told = problem.to_string();
        assert!(told.contains(" is malformed (a secret is not shown)"), "{told}");
        assert!(told.ends_with(&format!("`wrangler secret put {}`", problem.name())), "{told}");
    }
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let long = "x".repeat(10_000);
    for name in ["NOTES_PAGE_SIZE", "NOTES_COLOUR"] {
        let error = Settings::from_vars(&And(name, &long, LEAST)).unwrap_err().to_string();
        assert!(error.len() < 1000 && error.contains("xxx…"), "{error}");
    }
}

#[test]
fn an_item_that_is_none_is_named_with_its_place() {
    #[derive(Debug, Config)]
    struct Lists {
        #[config(default)]
        ports: Vec<u16>,
        #[config(default)]
        colours: Vec<Colour>,
    }
    let lists = Lists::from_vars(&[("PORTS", " 1, 2 ,3"), ("COLOURS", "red,red")]).unwrap();
    assert_eq!((lists.ports, lists.colours.len()), (vec![1, 2, 3], 2));
    let error = Lists::from_vars(&[("PORTS", "1,many,3"), ("COLOURS", "red,blue")]).unwrap_err();
    let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    let start = "`PORTS` is \"1,many,3\": \"many\" at place 2 is none; it takes a list, separated by commas, each a whole \
                 number from 0 to 65535: ";
    assert!(told[0].starts_with(start), "{}", told[0]);
    let start = "`COLOURS` is \"red,blue\": \"blue\" at place 2 is none: blue is no colour, and red is one; it takes a list, \
                 separated by commas: ";
    assert!(told[1].starts_with(start), "{}", told[1]);
}

/// What the one variable of this type reads from `text`.
fn read<T: edgemcp::config::Setting<F>, F>(text: &str) -> Result<T, String> {
    let vars = [("X", text)];
    Reader::new(&vars).finish(|reader| reader.var("X").read()).map_err(|error| error.to_string())
}

#[test]
fn yes_and_no_are_written_in_four_ways_each() {
    for (texts, expected) in [(["true", "YES", "on", "1"], true), (["false", "No", " off", "0"], false)] {
        for text in texts {
            assert_eq!(read::<bool, _>(text), Ok(expected), "{text}");
        }
    }
    for text in ["2", "t", "enabled", "truely", "-1"] {
        assert!(read::<bool, _>(text).unwrap_err().contains("takes true or false"), "{text}");
    }
}

#[test]
fn a_time_is_a_whole_number_and_its_unit() {
    for (text, seconds) in
        [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("0s", 0), (" 5 m ", 300), ("60000ms", 60)]
    {
        assert_eq!(read(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    assert_eq!(read("250ms"), Ok(Duration::from_millis(250)));
    let most = u64::MAX / 86_400;
    assert_eq!(read(&format!("{most}d")), Ok(Duration::from_secs(most * 86_400)));
    let too_long = [format!("{}d", most + 1), format!("{}s", u128::MAX)];
    let wrong = ["30", "s", "-1s", "1.5s", "1h30m", "5 minutes", "5M", "5us", "٣s", "+5s"];
    for text in wrong.into_iter().chain(too_long.iter().map(String::as_str)) {
        assert!(read::<Duration, _>(text).unwrap_err().contains("a time such as 250ms"), "{text}");
    }
}

#[test]
fn what_reads_itself_says_what_it_takes() {
    assert_eq!(read("127.0.0.1:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
    assert_eq!(read("a/b c"), Ok(PathBuf::from("a/b c")));
    assert_eq!(read("-0.5"), Ok(-0.5_f64));
    assert_eq!(read(&u64::MAX.to_string()), Ok(u64::MAX));
    for (refused, expected) in [
        (read::<i8, _>("128").unwrap_err(), "a whole number from -128 to 127"),
        (read::<u32, _>("-1").unwrap_err(), "a whole number from 0 to 4294967295"),
        (read::<u64, _>("-1").unwrap_err(), "a whole number that is not negative"),
        (read::<i64, _>("1.0").unwrap_err(), "a whole number:"),
        (read::<f32, _>("one").unwrap_err(), "a number:"),
        (read::<char, _>("ab").unwrap_err(), "one character"),
        (read::<IpAddr, _>("localhost").unwrap_err(), "an IP address:"),
        (
            read::<SocketAddr, _>("localhost:80").unwrap_err(),
            "an IP address and a port, such as 127.0.0.1:8000",
        ),
    ] {
        assert!(refused.contains(&format!("; it takes {expected}")), "{refused}");
    }
}

#[test]
fn a_reading_that_gives_nothing_is_an_error_even_where_no_variable_is_wrong() {
    let error = Reader::new(&[]).finish(|_| None::<()>).unwrap_err();
    assert!(error.to_string().contains("though no variable is wrong"), "{error}");
    // And one that does not look at what it was given is no success.
    let vars = [("X", "many")];
    let error = Reader::new(&vars).finish(|reader| {
        let _: Option<u8> = reader.var("X").read();
        Some(())
    });
    assert_eq!(names(&error.unwrap_err()), ["X"]);
}

#[test]
fn a_handler_reads_it_and_a_client_does_not_see_what_is_wrong() {
    /// Read the configuration.
    #[tool]
    fn title(cx: &Context) -> Result<String, ToolError> {
        Ok(Settings::from_platform(cx.platform())?.title)
    }
    let called = |vars: Arc<dyn Vars>| {
        let clock = ManualClock::at(Timestamp::from_millis(0));
        let platform = Platform::builder(Arc::new(clock), Arc::new(Counting::default())).vars(vars).build();
        let service = Server::new("notes", "1").tool(title::tool()).build().unwrap();
        let call = r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "title", "arguments": {},
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}}"#;
        let request = http::Request::post("/mcp")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", "title");
        let answer =
            futures_executor::block_on(service.handle(&platform, request.body(call.into()).unwrap()))
                .into_body();
        String::from_utf8_lossy(answer.as_bytes().unwrap()).into_owned()
    };
    assert!(called(Arc::new(LEAST)).contains("Notes"), "{}", called(Arc::new(LEAST)));
    let wrong = called(Arc::new([("NOTES_PAGE_SIZE", "many")]));
    assert!(
        wrong.contains("\"isError\":true") && !wrong.contains("NOTES_") && !wrong.contains("many"),
        "{wrong}"
    );
}
