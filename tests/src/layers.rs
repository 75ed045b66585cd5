//! What stands where inside the core: the wire and the inbound decision know nothing of what is served.

use std::collections::BTreeMap;

use syn::{
    Attribute, Item, UseTree,
    visit::{self, Visit},
};

use crate::project::{none, tracked};

/// The parts of the core that are pure: bytes and values in, values out.
const PURE: &[&str] = &["wire", "inbound", "model"];

/// What they must not know: what is served, and what it runs on.
const SERVED: &[&str] = &[
    "auth",
    "compose",
    "context",
    "middleware",
    "platform",
    "prompt",
    "resource",
    "server",
    "service",
    "session",
    "stdio",
    "store",
    "tool",
    "transform",
];

/// Files outside `wire` that derive serde's traits, each for a reason other than the protocol's own shapes.
const DERIVE_SERDE_TOO: &[(&str, &str)] = &[
    ("core/src/arguments/mod.rs", "the arguments of a tool that takes none are read as a user's own type is"),
    (
        "core/src/middleware/tool_injection.rs",
        "tools that the core itself adds take and give types as a user's own do",
    ),
    ("core/src/transform/search/mod.rs", "the tools of a search take arguments as a user's own do"),
    ("core/src/transform/search/pattern.rs", "the tools of a search take arguments as a user's own do"),
];

/// What a source file of the core says that the rules ask about.
#[derive(Default)]
struct Source {
    /// The module path, from the crate's root.
    module: Vec<String>,
    /// Absolute paths that are used, without `crate`, outside its tests.
    uses: Vec<Vec<String>>,
    /// Names of types that derive a serde trait, outside its tests.
    serde_types: Vec<String>,
    /// What `pub use` gives another name at this module: name and path.
    reexports: Vec<(String, Vec<String>)>,
}

impl Source {
    fn read(path: &str, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let module = path.trim_start_matches("core/src/").trim_end_matches(".rs").split('/');
        let module = module.filter(|part| !["mod", "lib"].contains(part)).map(String::from).collect();
        let mut source = Self { module, ..Self::default() };
        source.visit_file(&file);
        source
    }

    /// The path from the crate's root, where `segments` leads to the crate at all.
    fn absolute(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut base = match segments.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.module.clone(),
            // In the root file a path begins with a module of the crate, or with another crate, which no rule names.
            _ if self.module.is_empty() => Vec::new(),
            _ => return None,
        };
        let mut rest = segments;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" | "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            rest = others;
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn tree(&mut self, tree: &UseTree, before: &mut Vec<String>, public: bool) {
        let end = |source: &mut Self, name: &str, last: String, before: &[String]| {
            let path = if name == "self" { before.to_vec() } else { [before, &[name.to_owned()]].concat() };
            if let Some(path) = source.absolute(&path) {
                if public {
                    source.reexports.push((last, path.clone()));
                }
                source.uses.push(path);
            }
        };
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before, public);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before, public)),
            UseTree::Name(name) => end(self, &name.ident.to_string(), name.ident.to_string(), before),
            UseTree::Rename(name) => end(self, &name.ident.to_string(), name.rename.to_string(), before),
            UseTree::Glob(_) => end(self, "*", "*".into(), before),
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = match item {
            Item::Mod(item) => (&item.attrs, &item.ident),
            Item::Struct(item) => (&item.attrs, &item.ident),
            Item::Enum(item) => (&item.attrs, &item.ident),
            Item::Fn(item) => (&item.attrs, &item.sig.ident),
            _ => return visit::visit_item(self, item),
        };
        // Tests may look at everything.
        if attributes.iter().any(is_test) {
            return;
        }
        if attributes.iter().any(derives_serde) {
            self.serde_types.push(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let public = matches!(item.vis, syn::Visibility::Public(_));
        self.tree(&item.tree, &mut Vec::new(), public);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.uses.extend(self.absolute(&segments));
        visit::visit_path(self, path);
    }
}

fn is_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
}

fn derives_serde(attribute: &Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("derive") {
        let _ = attribute.parse_nested_meta(|derived| {
            let name = derived.path.segments.last().map(|segment| segment.ident.to_string());
            found |= name.is_some_and(|name| name == "Serialize" || name == "Deserialize");
            Ok(())
        });
    }
    found
}

/// Whether a file of the core is one of these modules, or below it.
fn is_in(source: &Source, modules: &[&str]) -> bool {
    source.module.first().is_some_and(|first| modules.contains(&first.as_str()))
}

fn reaches_up(sources: &[(String, Source)]) -> Vec<String> {
    // `crate::Server` is `crate::server::Server` by another name.
    let renamed: BTreeMap<&str, &str> = sources
        .iter()
        .filter(|(_, source)| source.module.is_empty())
        .flat_map(|(_, source)| &source.reexports)
        .filter_map(|(name, path)| Some((name.as_str(), path.first()?.as_str())))
        .collect();
    let mut broken = Vec::new();
    for (path, source) in sources.iter().filter(|(_, source)| is_in(source, PURE)) {
        for used in &source.uses {
            let Some(first) = used.first() else { continue };
            let module = renamed.get(first.as_str()).copied().unwrap_or(first);
            if SERVED.contains(&module) {
                broken.push(format!("{path} uses crate::{}", used.join("::")));
            }
            if first == "*" {
                broken.push(format!("{path} uses everything in the crate's root"));
            }
        }
    }
    broken.dedup();
    broken
}

fn stray_serde(sources: &[(String, Source)]) -> Vec<String> {
    let allowed = |path: &str| DERIVE_SERDE_TOO.iter().any(|(allowed, _)| *allowed == path);
    let strays = sources.iter().filter(|(path, source)| !is_in(source, &["wire"]) && !allowed(path));
    strays
        .flat_map(|(path, source)| source.serde_types.iter().map(move |name| format!("{path}: {name}")))
        .collect()
}

fn core() -> Vec<(String, Source)> {
    let files =
        tracked().into_iter().filter(|(path, _)| path.starts_with("core/src/") && path.ends_with(".rs"));
    let sources: Vec<_> = files.map(|(path, text)| (path.clone(), Source::read(&path, &text))).collect();
    for part in PURE {
        assert!(sources.iter().any(|(_, source)| is_in(source, &[part])), "the core has no `{part}`");
    }
    sources
}

fn sample(path: &str, text: &str) -> (String, Source) {
    (path.into(), Source::read(path, text))
}

#[test]
fn the_wire_the_inbound_decision_and_the_model_know_nothing_of_what_is_served() {
    none("the pure part of the core reaches up", reaches_up(&core()));
}

#[test]
fn an_import_upwards_is_noticed_however_it_is_written() {
    let root = "pub mod server; pub use server::Server; pub use self::store::{Store, Key as Name};";
    for bad in [
        "use crate::server::Server;",
        "use crate::{model, platform::{Platform}};",
        "use crate::Server;",
        "use crate::Name;",
        "use crate::*;",
        "use super::super::tool;",
        "fn f(store: &dyn crate::store::Store) {}",
        "mod inner { fn f() { crate::context::new(); } }",
    ] {
        let sources = [sample("core/src/lib.rs", root), sample("core/src/wire/legacy.rs", bad)];
        assert_eq!(reaches_up(&sources).len(), 1, "{bad}");
    }
    for good in [
        "use crate::model::Request;",
        "use super::jsonrpc; use super::super::model;",
        "use serde_json::value::Value; use std::server::X;",
        "//! See [`crate::server::Server`].\n// use crate::server;\nconst S: &str = \"crate::server\";",
        "#[cfg(test)] mod tests { use crate::server::Server; }",
    ] {
        let sources = [sample("core/src/lib.rs", root), sample("core/src/wire/legacy.rs", good)];
        assert_eq!(reaches_up(&sources), [""; 0], "{good}");
    }
    let elsewhere = [sample("core/src/service.rs", "use crate::server::Server;")];
    assert_eq!(reaches_up(&elsewhere), [""; 0], "only the pure part is held to it");
}

#[test]
fn only_the_wire_has_the_shapes_of_the_protocol() {
    none("types outside `wire` that derive a serde trait", stray_serde(&core()));
}

#[test]
fn a_serde_derive_outside_the_wire_is_noticed() {
    let bad = "#[derive(Clone, serde::Deserialize)] struct A; mod m { #[derive(Serialize)] enum B {} }";
    assert_eq!(
        stray_serde(&[sample("core/src/tool.rs", bad)]),
        ["core/src/tool.rs: A", "core/src/tool.rs: B"]
    );
    assert_eq!(stray_serde(&[sample("core/src/wire/modern.rs", bad)]), [""; 0]);
    let test = "#[cfg(test)] mod tests { #[derive(Serialize)] struct A; }";
    assert_eq!(stray_serde(&[sample("core/src/tool.rs", test)]), [""; 0]);
}

#[test]
fn every_exception_is_still_needed() {
    let sources = core();
    let unneeded = DERIVE_SERDE_TOO.iter().filter(|(path, _)| {
        !sources.iter().any(|(found, source)| found == path && !source.serde_types.is_empty())
    });
    none(
        "exceptions that nothing needs",
        unneeded.map(|(path, reason)| format!("{path} ({reason})")).collect(),
    );
}
