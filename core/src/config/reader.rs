//! Reads one variable after the other, and remembers what is wrong with each until all are read.

use std::{borrow::Cow, fmt};

use zeroize::Zeroizing;

use super::{Config, Setting};
use crate::{
    limits,
    platform::{Platform, Vars},
};

/// Where a [`Config`] finds its variables, and what it says of those that are missing or malformed.
///
/// Each variable is asked for, whatever became of those before, so that an error names them all.
#[derive(Default)]
pub struct Reader<'a> {
    /// Where to look; nowhere where the variables are only listed.
    vars: Option<&'a dyn Vars>,
    prefix: String,
    listed: Vec<Variable>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Reads from `vars`. One that is set to nothing is not set.
    pub fn new(vars: &'a dyn Vars) -> Self {
        Self { vars: Some(vars), ..Self::default() }
    }

    /// Asks for the variable `name`; how, the value's own methods say.
    pub fn var<'r>(&'r mut self, name: &'r str) -> Asked<'r, 'a> {
        Asked { reader: self, name, description: "" }
    }

    /// Reads a `Config` whose variables stand behind `prefix`, such as `DATABASE_`.
    ///
    /// ```
    /// # use edgemcp::{config::{Config, Reader}, prelude::*};
    /// #[derive(Config)]
    /// struct Database {
    ///     url: String,
    /// }
    ///
    /// let missing = Reader::new(&[]).finish(|reader| reader.nested::<Database>("PRIMARY_"));
    /// assert!(missing.is_err_and(|error| error.to_string().starts_with("`PRIMARY_URL` is not set")));
    /// ```
    pub fn nested<C: Config>(&mut self, prefix: &str) -> Option<C> {
        let outer = self.prefix.len();
        self.prefix.push_str(prefix);
        let read = C::read(self);
        self.prefix.truncate(outer);
        read
    }

    /// What `read` makes of the variables.
    ///
    /// ```
    /// use edgemcp::{config::Reader, platform::Vars, prelude::*};
    ///
    /// fn mail(vars: &dyn Vars) -> Result<(Secret, u8), edgemcp::config::ConfigError> {
    ///     Reader::new(vars).finish(|reader| {
    ///         let key = reader.var("MAIL_KEY").description("The mail service's key.").read();
    ///         let tries = reader.var("MAIL_TRIES").or_else("3", || 3);
    ///         // Both have been asked for by now, so an error names both.
    ///         Some((key?, tries?))
    ///     })
    /// }
    /// assert_eq!(mail(&[("MAIL_KEY", "hunter2")]).unwrap().1, 3);
    /// assert!(mail(&[]).unwrap_err().to_string().starts_with("`MAIL_KEY` is not set; it takes a text (The mail service's key)"));
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is missing or malformed.
    pub fn finish<T>(mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Result<T, ConfigError> {
        match read(&mut self) {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ConfigError(self.problems)),
        }
    }

    /// What `read` asks for, with no variable set.
    pub(super) fn list(read: impl FnOnce(&mut Self)) -> Vec<Variable> {
        let mut reader = Self::default();
        read(&mut reader);
        reader.listed
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("prefix", &self.prefix)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

/// A variable that is about to be read.
#[derive(Debug)]
#[must_use = "nothing is read before `read` or `or_else`"]
pub struct Asked<'r, 'a> {
    reader: &'r mut Reader<'a>,
    name: &'r str,
    description: &'r str,
}

impl<'r> Asked<'r, '_> {
    /// Says what the variable is for, to whoever has to set it.
    pub fn description(mut self, description: &'r str) -> Self {
        self.description = description;
        self
    }

    /// Its value; `None` where it is missing and must be there, or is malformed. Go on with the next variable then, and
    /// let [`Reader::finish`] tell.
    pub fn read<T: Setting<F>, F>(self) -> Option<T> {
        let unset = T::unset();
        let need = if unset.is_some() { Need::Optional } else { Need::Required };
        self.read_or(need, || unset)
    }

    /// Its value; what `default` gives where it is not set. `None` where it is malformed. `shown` is how the default is
    /// told to people, and may be empty.
    pub fn or_else<T: Setting<F>, F>(self, shown: &str, default: impl FnOnce() -> T) -> Option<T> {
        let shown = Some(shown).filter(|shown| !shown.is_empty() && !T::SECRET).map(str::to_owned);
        self.read_or(Need::Default(shown), || Some(default()))
    }

    fn read_or<T: Setting<F>, F>(self, need: Need, unset: impl FnOnce() -> Option<T>) -> Option<T> {
        let Self { reader, name, description } = self;
        let name = format!("{}{name}", reader.prefix);
        let Some(vars) = reader.vars else {
            let expected = T::expected().map(Cow::into_owned);
            let description = description.to_owned();
            reader.listed.push(Variable { name, description, expected, need, secret: T::SECRET });
            return None;
        };
        // It may be a secret, of which the value that is read is another copy.
        let text = vars.var(&name).filter(|text| !text.is_empty()).map(Zeroizing::new);
        let what = match text {
            None => match unset() {
                Some(value) => return Some(value),
                None => "is not set".to_owned(),
            },
            Some(text) => match T::read(&text) {
                Ok(value) => return Some(value),
                Err(_) if T::SECRET => "is malformed (a secret is not shown)".to_owned(),
                Err(why) => {
                    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                    format!("is {}{why}", limits::echo(&text))
                }
            },
        };
        reader.problems.push(Problem::new(name, &what, description, T::expected(), T::SECRET));
        None
    }
}

/// A variable that a [`Config`] reads, as [`Config::variables`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name, with every prefix.
    pub name: String,
    /// What it is for: the field's doc comment. It may be empty, and have several paragraphs.
    pub description: String,
    /// What it takes, such as "a whole number from 0 to 255"; `None` where only its type knows.
    pub expected: Option<String>,
    /// Whether it must be set.
    pub need: Need,
    /// Whether its value must not be shown.
    pub secret: bool,
}

/// Whether a variable must be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It need not, and then there is no value.
    Optional,
    /// It need not, and then this is the value, as the source code has it; `None` where it is not told: a secret's, or
    /// the type's own.
    Default(Option<String>),
}

/// What is wrong with one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    name: String,
    text: String,
}

impl Problem {
    fn new(
        name: String,
        what: &str,
        description: &str,
        expected: Option<Cow<'static, str>>,
        secret: bool,
    ) -> Self {
        let expected = expected.map(|expected| format!("; it takes {expected}")).unwrap_or_default();
        // The paragraphs below the first one are for who reads the code.
        let description = description.lines().next().unwrap_or_default().trim_end_matches('.');
        let description = match description {
            "" => String::new(),
            some => format!(" ({some})"),
        };
        let on_workers = match secret {
            true => format!("with `wrangler secret put {name}`"),
            false => "under `[vars]` in wrangler.toml".to_owned(),
        };
        let text = format!(
            "`{name}` {what}{expected}{description}: set it in the environment or in `.env`, on Workers {on_workers}"
        );
        Self { name, text }
    }

    /// The variable's name, with every prefix.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Everything that is wrong with the variables of a [`Config`]. Its text has a line for each, and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<Problem>);

impl ConfigError {
    /// What is wrong, in the order the variables were read in.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(
                "the configuration was not read, though no variable is wrong: `read` gave nothing",
            );
        }
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A platform's settings.
pub(super) struct OfPlatform<'a>(pub(super) &'a Platform);

impl Vars for OfPlatform<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.0.var(name)
    }
}
