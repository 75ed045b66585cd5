//! Which path did the caller mean, below the stage and the base path that API Gateway put in front?

/// What an event says about its own path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'a> {
    /// The path as the event has it.
    pub(crate) path: &'a str,
    /// The stage, where the event comes from API Gateway.
    pub(crate) stage: Option<&'a str>,
    /// The path that the request context repeats: with the stage, where `path` may be without.
    pub(crate) context_path: Option<&'a str>,
    /// The resource or route that matched: `/mcp`, `/{proxy+}`, `POST /mcp`, `$default`.
    pub(crate) route: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// The path below stage and base path; it starts with `/`.
    ///
    /// HTTP APIs put the stage into the path and REST APIs do not, and a custom domain puts its base path in front of
    /// either. What all of them tell is the route that matched, so the path is the part that this route covers. Only
    /// where the route covers everything (`$default`) does the stage's name decide.
    pub(crate) fn below_prefix<'p>(self, parameter: impl Fn(&str) -> Option<&'p str>) -> &'a str {
        if let Some(covered) = self.route.and_then(|route| expand(route, parameter))
            && let Some(rest) = covered_by(self.path, &covered)
        {
            return rest;
        }
        let Some(stage) = self.stage.filter(|stage| !stage.is_empty() && *stage != "$default") else {
            return self.path;
        };
        let has_no_stage = self.context_path.is_some_and(|full| below_stage(full, stage) == Some(self.path));
        match below_stage(self.path, stage) {
            Some(rest) if !has_no_stage => rest,
            _ => self.path,
        }
    }
}

/// `/prod/mcp` below the stage `prod` is `/mcp`.
fn below_stage<'a>(path: &'a str, stage: &str) -> Option<&'a str> {
    match path.strip_prefix('/')?.strip_prefix(stage)? {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

/// The path that a route covers, its `{name}` and `{name+}` filled in; `None` for `$default` and what is no route.
fn expand<'p>(route: &str, parameter: impl Fn(&str) -> Option<&'p str>) -> Option<String> {
    let template = route.split_once(' ').map_or(route, |(_method, template)| template);
    let segments = template.strip_prefix('/')?;
    let mut covered = String::new();
    for segment in segments.split('/') {
        covered.push('/');
        match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => covered.push_str(parameter(name.strip_suffix('+').unwrap_or(name))?),
            None => covered.push_str(segment),
        }
    }
    Some(covered)
}

/// The end of `path` that is `covered`, with the trailing slash that a route does not care about.
fn covered_by<'a>(path: &'a str, covered: &str) -> Option<&'a str> {
    if covered == "/" {
        return Some("/");
    }
    // The value of `{proxy+}` may end with that slash too.
    let covered = covered.strip_suffix('/').unwrap_or(covered);
    let prefix = path.strip_suffix('/').unwrap_or(path).strip_suffix(covered)?;
    path.get(prefix.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_and_base_path_are_not_part_of_the_path() {
        // path, stage, path of the request context, route, its `proxy` parameter; what the server sees
        let cases = [
            // REST API: the path is without the stage.
            (["/mcp", "prod", "/prod/mcp", "/{proxy+}", "mcp"], "/mcp"),
            (["/mcp", "prod", "/prod/mcp", "/mcp", ""], "/mcp"),
            // A stage named like the path is not taken for a prefix.
            (["/mcp", "mcp", "/mcp/mcp", "/mcp", ""], "/mcp"),
            (["/mcp/x", "mcp", "/mcp/mcp/x", "$default", ""], "/mcp/x"),
            // HTTP API: the path has the stage.
            (["/prod/mcp", "prod", "/prod/mcp", "$default", ""], "/mcp"),
            (["/prod/mcp", "prod", "/prod/mcp", "ANY /{proxy+}", "mcp"], "/mcp"),
            (["/prod", "prod", "/prod", "$default", ""], "/"),
            (["/product/mcp", "prod", "/product/mcp", "$default", ""], "/product/mcp"),
            (["/mcp", "$default", "/mcp", "$default", ""], "/mcp"),
            // A custom domain with a base path.
            (["/tools/mcp", "prod", "/tools/mcp", "/{proxy+}", "mcp"], "/mcp"),
            (["/tools/v1/mcp/", "prod", "/tools/v1/mcp/", "/{proxy+}", "mcp"], "/mcp/"),
            (["/tools/mcp/", "prod", "/tools/mcp/", "/{proxy+}", "mcp/"], "/mcp/"),
            (["/tools", "prod", "/tools", "/", ""], "/"),
            // What the route covers stays, even where it looks like a prefix.
            (["/api/mcp", "prod", "/prod/api/mcp", "/api/{proxy+}", "mcp"], "/api/mcp"),
        ];
        for ([path, stage, context_path, route, proxy], expected) in cases {
            let place =
                Place { path, stage: Some(stage), context_path: Some(context_path), route: Some(route) };
            let parameter = |name: &str| (name == "proxy" && !proxy.is_empty()).then_some(proxy);
            assert_eq!(place.below_prefix(parameter), expected, "{place:?}");
        }
    }

    #[test]
    fn a_path_without_api_gateway_stays_as_it_is() {
        let place = Place { path: "/prod/mcp", ..Place::default() };
        assert_eq!(place.below_prefix(|_| None), "/prod/mcp");
    }
}
