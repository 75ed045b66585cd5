//! Decides who is asking: a bearer token becomes a `Principal`, or a 401 that says how to ask.

mod requirement;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use subtle::ConstantTimeEq;

pub use self::requirement::Requirement;
pub(crate) use self::requirement::check;
use crate::{
    future::BoxFuture,
    http::{
        Body,
        headers::{self, Single},
        refusal,
    },
    limits::TOKEN_BYTES_MAX,
    model::Text,
    platform::{LogLevel, Platform},
};

/// Who is asking. State that belongs to someone is bound to issuer, subject and client together.
///
/// ```
/// # use edgemcp::auth::Principal;
/// let ada = Principal::new("ada").scope("mcp:read");
/// assert!(ada.has_scope("mcp:read"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    issuer: Text,
    subject: Text,
    client: Option<Text>,
    scopes: Vec<Text>,
    claims: serde_json::Map<String, serde_json::Value>,
}

impl Principal {
    /// Someone known as `subject` to an issuer without a name.
    pub fn new(subject: impl Into<Text>) -> Self {
        Self {
            issuer: Text::default(),
            subject: subject.into(),
            client: None,
            scopes: Vec::new(),
            claims: serde_json::Map::new(),
        }
    }

    /// Sets who vouches for the subject: a token's `iss`.
    #[must_use]
    pub fn from_issuer(mut self, issuer: impl Into<Text>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Sets the OAuth client that asks on the subject's behalf.
    #[must_use]
    pub fn through_client(mut self, client: impl Into<Text>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// Adds a scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Text>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Adds a claim of the token.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Who vouches for the subject; empty where nobody is named.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who is asking, by the issuer's name for them.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The OAuth client that asks on the subject's behalf.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// What the subject may do.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(AsRef::as_ref)
    }

    /// Whether `scope` is among the scopes.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|has| has == scope)
    }

    /// The claims of the token.
    pub fn claims(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.claims
    }
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// It is unknown, expired or meant for someone else: 401.
    InvalidToken,
    /// It is good, but lacks these scopes: 403.
    InsufficientScope(Vec<String>),
    /// It could not be checked; the text is for the log: 503.
    Unavailable(String),
}

/// Turns a bearer token into a [`Principal`].
pub trait Verifier: Send + Sync {
    /// Who `token` stands for.
    ///
    /// # Errors
    /// [`AuthError`], which becomes the status and the challenge.
    fn verify<'a>(
        &'a self,
        platform: &'a Platform,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Principal, AuthError>>;
}

/// A verifier for tokens that are known beforehand: for development, and for a handful of machine clients.
///
/// Tokens come from settings or secrets by name, so that none stands in the source. Comparison takes the same time
/// wherever two tokens differ.
///
/// ```
/// # use edgemcp::{Server, auth::{Principal, StaticTokens}};
/// let server = Server::new("calculator", "1.0.0")
///     .verifier(StaticTokens::new().var("MCP_TOKEN", Principal::new("ada").scope("mcp:read")));
/// ```
#[derive(Default)]
pub struct StaticTokens(Vec<(Source, Principal)>);

enum Source {
    Var(Text),
    Literal(String),
}

impl StaticTokens {
    /// No token yet, which refuses everybody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whoever presents the value of the setting or secret `name` is `principal`. While it is unset or empty, nobody
    /// is.
    #[must_use]
    pub fn var(mut self, name: impl Into<Text>, principal: Principal) -> Self {
        self.0.push((Source::Var(name.into()), principal));
        self
    }

    /// Whoever presents `token` is `principal`. For tests: a token in the source is a token in every copy of it.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>, principal: Principal) -> Self {
        self.0.push((Source::Literal(token.into()), principal));
        self
    }

    fn find(&self, platform: &Platform, presented: &str) -> Option<&Principal> {
        let mut found = None;
        for (source, principal) in &self.0 {
            let var;
            let token = match source {
                Source::Literal(token) => token,
                Source::Var(name) => {
                    let Some(value) = platform.var(name) else { continue };
                    var = value;
                    &var
                }
            };
            // No early exit: how long this takes must not tell which token was close.
            if !token.is_empty() && bool::from(token.as_bytes().ct_eq(presented.as_bytes())) {
                found = Some(principal);
            }
        }
        found
    }
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticTokens({} tokens)", self.0.len())
    }
}

impl Verifier for StaticTokens {
    fn verify<'a>(
        &'a self,
        platform: &'a Platform,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Principal, AuthError>> {
        let found = self.find(platform, token).cloned().ok_or(AuthError::InvalidToken);
        Box::pin(std::future::ready(found))
    }
}

/// Checks the `Authorization` header.
///
/// # Errors
/// The answer to send: 400, 401, 403 or 503.
pub(crate) async fn authenticate(
    verifier: &dyn Verifier,
    platform: &Platform,
    headers: &HeaderMap,
) -> Result<Arc<Principal>, Box<Response<Body>>> {
    let token = match headers::single(headers, &header::AUTHORIZATION) {
        Single::Absent => {
            return Err(challenge(StatusCode::UNAUTHORIZED, None, "this server asks for a bearer token"));
        }
        Single::Unusable => {
            return Err(challenge(
                StatusCode::BAD_REQUEST,
                Some("error=\"invalid_request\""),
                "the `Authorization` header stands there twice or is not readable",
            ));
        }
        Single::Value(value) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => {
                return Err(challenge(
                    StatusCode::UNAUTHORIZED,
                    None,
                    "this server takes bearer tokens only (`Authorization: Bearer …`)",
                ));
            }
        },
    };
    let verified = match token.len() > TOKEN_BYTES_MAX {
        true => Err(AuthError::InvalidToken),
        false => verifier.verify(platform, token).await,
    };
    verified.map(Arc::new).map_err(|error| match error {
        AuthError::InvalidToken => challenge(
            StatusCode::UNAUTHORIZED,
            Some("error=\"invalid_token\""),
            "the bearer token is unknown, expired or meant for another server",
        ),
        AuthError::InsufficientScope(scopes) => {
            let parameters = insufficient_scope(&scopes);
            let scopes = scopes.join(" ");
            challenge(
                StatusCode::FORBIDDEN,
                Some(&parameters),
                &format!("the bearer token lacks a scope; needed are: {scopes}"),
            )
        }
        AuthError::Unavailable(cause) => {
            platform.log(LogLevel::Error, &format!("a bearer token could not be checked: {cause}"));
            Box::new(refusal::text(
                StatusCode::SERVICE_UNAVAILABLE,
                "bearer tokens cannot be checked right now; try again",
            ))
        }
    })
}

/// The parameters of a challenge for scopes that are lacking.
pub(crate) fn insufficient_scope(scopes: &[String]) -> String {
    format!("error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" "))
}

/// An answer with a challenge (RFC 6750, section 3). It carries an `error` only where a token was presented.
fn challenge(status: StatusCode, parameters: Option<&str>, why: &str) -> Box<Response<Body>> {
    let mut response = refusal::text(status, why);
    let value = match parameters {
        Some(parameters) => HeaderValue::from_str(&format!("Bearer {parameters}")),
        None => Ok(HeaderValue::from_static("Bearer")),
    };
    // A scope that is no header text leaves the challenge without parameters instead of the answer without challenge.
    let value = value.unwrap_or(HeaderValue::from_static("Bearer"));
    response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    Box::new(response)
}
