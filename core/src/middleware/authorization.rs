//! Decides for a whole server who may see and use its components.

use super::{
    Answering, CallTool, Complete, Component, GetPrompt, ListPrompts, ListResourceTemplates, ListResources,
    ListTools, Listed, Middleware, Next, ReadResource,
};
use crate::{
    auth::Requirement,
    context::Context,
    error::{Error, ErrorKind},
    limits::echo,
    model::{About, Kind, Meta, Text},
};

/// Asks something of whoever uses a server's components: all of them, or those with a tag. Who does not meet it does not
/// find the component in a list, and a call is refused.
///
/// Who lacks only scopes is told all that are missing, of this and of the component itself, with HTTP 403 and a challenge
/// (RFC 6750, section 3.1), so that a client that can get them asks for them once. A name that no component has is refused as any
/// other is, so nobody learns what there is.
///
/// Over stdio nobody is asked: whoever starts the process may use it (2026-07-28, basic/authorization). Over HTTP a caller
/// whom no [`Verifier`](crate::auth::Verifier) has named meets nothing. One component alone is guarded with
/// [`Tool::requires`](crate::Tool::requires) and its like.
///
/// Put it outside of what answers from a cache. Completions are asked the same as what they complete.
///
/// # Source
/// FastMCP 4, `AuthMiddleware` with `restrict_tag`.
///
/// ```
/// # use edgemcp::{auth::{Principal, StaticTokens}, prelude::*};
/// use edgemcp::{auth::Requirement, middleware::Authorization};
///
/// let authorization = Authorization::new(Requirement::scopes(["api"])).restrict_tag("admin", ["admin"]);
/// let server = Server::new("shop", "1.0.0")
///     .verifier(StaticTokens::new().var("MCP_TOKEN", Principal::new("ada").scope("api")))
///     .middleware(authorization);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Authorization {
    of_all: Vec<Requirement>,
    of_tags: Vec<(Text, Requirement)>,
}

impl Authorization {
    /// Asks this of whoever uses anything. (`Authorization::default()` asks nothing yet.)
    pub fn new(requirement: impl Into<Requirement>) -> Self {
        Self::default().requires(requirement)
    }

    /// Asks this as well.
    #[must_use]
    pub fn requires(mut self, requirement: impl Into<Requirement>) -> Self {
        self.of_all.push(requirement.into());
        self
    }

    /// Asks all of these scopes of whoever uses what has this tag.
    #[must_use]
    pub fn restrict_tag<S: Into<String>>(
        mut self,
        tag: impl Into<Text>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.of_tags.push((tag.into(), Requirement::scopes(scopes)));
        self
    }

    /// What is asked of whoever uses this.
    fn asked<'a>(&'a self, about: &'a About<'_>) -> impl Iterator<Item = &'a Requirement> {
        let of_tags = self.of_tags.iter().filter(|(tag, _)| about.has_tag(tag)).map(|(_, asked)| asked);
        self.of_all.iter().chain(of_tags)
    }

    /// Whether the caller may use `component`, which it knows as `key`.
    fn check<T: Component>(
        &self,
        cx: &Context,
        component: Option<&T>,
        kind: Kind,
        key: &str,
    ) -> Result<(), Error> {
        if cx.is_stdio() {
            return Ok(());
        }
        let none = Meta::new();
        let unknown = About {
            kind,
            key,
            name: key,
            title: None,
            description: None,
            tags: &[],
            version: None,
            meta: &none,
        };
        let about = component.map_or(unknown, Component::about);
        let mut unmet = self.asked(&about).filter(|asked| !asked.is_met(cx.principal())).peekable();
        if unmet.peek().is_none() {
            return Ok(());
        }
        let mut missing: Vec<String> = Vec::new();
        let mut add = |scopes: &[String]| {
            for scope in scopes {
                if !cx.principal().is_some_and(|who| who.has_scope(scope)) && !missing.contains(scope) {
                    missing.push(scope.clone());
                }
            }
        };
        for refusal in unmet.map(|asked| asked.refusal(&about)) {
            match &refusal.kind {
                ErrorKind::InsufficientScope { scopes } => add(scopes),
                // No scope would help.
                _ => return Err(refusal),
            }
        }
        // What the component asks itself would be the next refusal. What is behind a rule that no scope opens is told
        // nobody.
        let own = component.map_or(&[][..], |component| component.requirements()).iter();
        for refusal in own.filter(|asked| !asked.is_met(cx.principal())).map(|asked| asked.refusal(&about)) {
            let ErrorKind::InsufficientScope { scopes } = &refusal.kind else { break };
            add(scopes);
        }
        Err(Error::insufficient_scope(
            format!("{} needs the scopes: {}", echo(key), missing.join(" ")),
            missing,
        ))
    }

    fn filter<T: Component>(&self, cx: &Context, mut list: Listed<T>) -> Listed<T> {
        if !cx.is_stdio() {
            list.retain(|component| self.asked(&component.about()).all(|asked| asked.is_met(cx.principal())));
        }
        list
    }
}

macro_rules! filtered {
    ($($hook:ident($message:ident);)*) => {$(
        fn $hook<'a>(&'a self, cx: &'a Context, message: $message, next: Next<$message>) -> Answering<'a, $message> {
            Box::pin(async move { Ok(self.filter(cx, next.run(message).await?)) })
        }
    )*};
}

impl Middleware for Authorization {
    fn on_call_tool<'a>(
        &'a self,
        cx: &'a Context,
        call: CallTool,
        next: Next<CallTool>,
    ) -> Answering<'a, CallTool> {
        Box::pin(async move {
            self.check(cx, cx.tool(call.name()), Kind::Tool, call.name())?;
            next.run(call).await
        })
    }

    fn on_read_resource<'a>(
        &'a self,
        cx: &'a Context,
        read: ReadResource,
        next: Next<ReadResource>,
    ) -> Answering<'a, ReadResource> {
        Box::pin(async move {
            self.check(cx, cx.resource(read.uri()), Kind::Resource, read.uri())?;
            next.run(read).await
        })
    }

    fn on_get_prompt<'a>(
        &'a self,
        cx: &'a Context,
        get: GetPrompt,
        next: Next<GetPrompt>,
    ) -> Answering<'a, GetPrompt> {
        Box::pin(async move {
            self.check(cx, cx.prompt(get.name()), Kind::Prompt, get.name())?;
            next.run(get).await
        })
    }

    fn on_complete<'a>(
        &'a self,
        cx: &'a Context,
        complete: Complete,
        next: Next<Complete>,
    ) -> Answering<'a, Complete> {
        Box::pin(async move {
            let of = complete.of();
            match complete.of_prompt {
                true => self.check(cx, cx.prompt(of), Kind::Prompt, of)?,
                false => self.check(cx, cx.resource_named(of), Kind::ResourceTemplate, of)?,
            }
            next.run(complete).await
        })
    }

    filtered! {
        on_list_tools(ListTools);
        on_list_resources(ListResources);
        on_list_resource_templates(ListResourceTemplates);
        on_list_prompts(ListPrompts);
    }
}
