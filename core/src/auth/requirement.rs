//! Decides who may see and use a component.

use std::{fmt, sync::Arc};

use serde_json::Value;

use super::Principal;
use crate::{
    error::Error,
    exchange::perform,
    limits::echo,
    model::{About, Kind, Text},
};

/// What a caller must be to see and use a component: [`Tool::requires`](crate::Tool::requires) and the like. Who does not
/// meet it does not find the component in a list, and a call is refused with an error that says what is missing.
///
/// Over stdio nobody is asked: whoever starts the process may use it (2026-07-28, basic/authorization). Over HTTP a caller
/// whom no [`Verifier`](super::Verifier) has named meets none.
///
/// ```
/// # use edgemcp::{auth::Requirement, prelude::*};
/// let admin = Requirement::roles("roles", ["admin"]);
/// let staff = Requirement::custom("staff only", |principal| principal.subject().ends_with("@example.com"));
/// let wipe = Tool::new("wipe", "Wipes the disk.", |_, _: NoArguments| async {}).requires(admin).requires(staff);
/// ```
#[derive(Clone)]
pub struct Requirement(Arc<What>);

type Shows = dyn Fn(Option<&Principal>) -> bool + Send + Sync;

enum What {
    Scopes(Vec<String>),
    Roles {
        claim: String,
        roles: Vec<String>,
    },
    Custom {
        what: Text,
        meets: Box<dyn Fn(&Principal) -> bool + Send + Sync>,
    },
    /// What a caller is not shown is as if it were not there.
    Shown(Box<Shows>),
}

impl Requirement {
    /// All of these scopes. Who lacks one is told which with HTTP 403 (RFC 6750, section 3.1), so that a client that can get
    /// them asks for them.
    pub fn scopes<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self(Arc::new(What::Scopes(scopes.into_iter().map(Into::into).collect())))
    }

    /// One of `roles` in the token's claim `claim`, which is a text or an array of them. A claim inside another is named
    /// with a dot, as in `realm_access.roles`.
    pub fn roles<S: Into<String>>(claim: impl Into<String>, roles: impl IntoIterator<Item = S>) -> Self {
        Self(Arc::new(What::Roles {
            claim: claim.into(),
            roles: roles.into_iter().map(Into::into).collect(),
        }))
    }

    /// Whatever `meets` says of a caller; `what` completes the sentence "`tool "wipe"` is for others: …".
    pub fn custom(what: impl Into<Text>, meets: impl Fn(&Principal) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(What::Custom { what: what.into(), meets: Box::new(meets) }))
    }

    /// What a caller is shown of whom `shows` says so; the others do not learn that there is something.
    pub(crate) fn shown(shows: impl Fn(Option<&Principal>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(What::Shown(Box::new(shows))))
    }

    /// Whether `principal` meets it.
    pub(crate) fn is_met(&self, principal: Option<&Principal>) -> bool {
        if let What::Shown(shows) = &*self.0 {
            return shows(principal);
        }
        let Some(principal) = principal else { return false };
        match &*self.0 {
            What::Scopes(scopes) => scopes.iter().all(|scope| principal.has_scope(scope)),
            What::Roles { claim, roles } => {
                let mut parts = claim.split('.');
                let first = parts.next().and_then(|name| principal.claims().get(name));
                let found = match (principal.claims().get(claim), first) {
                    (Some(whole), _) => Some(whole),
                    (None, first) => parts.try_fold(first, |value, name| Some(value?.get(name))).flatten(),
                };
                let has =
                    |value: &Value| value.as_str().is_some_and(|has| roles.iter().any(|role| role == has));
                match found {
                    Some(Value::Array(values)) => values.iter().any(has),
                    Some(value) => has(value),
                    None => false,
                }
            }
            What::Custom { meets, .. } => meets(principal),
            What::Shown(shows) => shows(Some(principal)),
        }
    }

    /// What a caller is told who does not meet it.
    pub(crate) fn refusal(&self, about: &About<'_>) -> Error {
        let who = echo(about.key);
        match &*self.0 {
            What::Scopes(scopes) => Error::insufficient_scope(
                format!("{who} needs the scopes: {}", scopes.join(" ")),
                scopes.clone(),
            ),
            What::Roles { roles, .. } => {
                Error::forbidden(format!("{who} needs one of the roles: {}", roles.join(", ")))
            }
            What::Custom { what, .. } => Error::forbidden(format!("{who} is for others: {what}")),
            What::Shown(_) => match about.kind {
                Kind::Tool => perform::no_tool(about.key),
                Kind::Prompt => perform::no_prompt(about.key),
                Kind::Resource | Kind::ResourceTemplate => Error::resource_not_found(about.key),
            },
        }
    }
}

/// Whether `principal` meets all of `requirements`; an error says which one is not met.
pub(crate) fn check(
    requirements: &[Requirement],
    principal: Option<&Principal>,
    about: &About<'_>,
) -> Result<(), Error> {
    match requirements.iter().find(|requirement| !requirement.is_met(principal)) {
        None => Ok(()),
        Some(unmet) => Err(unmet.refusal(about)),
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            What::Scopes(scopes) => f.debug_tuple("Scopes").field(scopes).finish(),
            What::Roles { claim, roles } => f.debug_tuple("Roles").field(claim).field(roles).finish(),
            What::Custom { what, .. } => f.debug_tuple("Custom").field(what).finish(),
            What::Shown(_) => f.write_str("Shown"),
        }
    }
}
