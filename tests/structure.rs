//! The structure of mco's sources: what a file imports lies below it, and no two files import each other.
//!
//! Read by `syn`: each path of a file that leads into another file of mco is an arrow to where the item is
//! written, through whatever re-exports it. A module that re-exports its own children does not import them.
//! Code for tests is left out. Methods have no path, so a call of one is no arrow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A module: of a file, or written inside one.
#[derive(Default)]
struct Module {
    /// The one around it.
    parent: usize,
    file: usize,
    names: BTreeMap<String, Name>,
    /// What `use path::*` takes in.
    globs: Vec<Vec<String>>,
}

/// What a name of a module stands for.
enum Name {
    Item,
    Module(usize),
    /// What it is imported or re-exported from.
    Import(Vec<String>),
}

/// An arrow: a path in a file that leads to another one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    to: usize,
    line: usize,
    path: String,
}

/// The sources of a crate.
#[derive(Default)]
struct Sources {
    /// Relative to the sources' folder.
    files: Vec<PathBuf>,
    modules: Vec<Module>,
    /// Of each file: the paths in it, with the module in which they stand.
    paths: Vec<Vec<Found>>,
}

/// A path in the source.
struct Found {
    module: usize,
    path: Vec<String>,
    line: usize,
    /// Of a `pub use`.
    exported: bool,
}

impl Sources {
    fn read(folder: &Path) -> Sources {
        let mut sources = Sources::default();
        sources.read_file(folder, Path::new("lib.rs"), 0);
        sources
    }

    fn read_file(&mut self, folder: &Path, path: &Path, parent: usize) -> usize {
        let text = fs::read_to_string(folder.join(path)).expect("the sources are there");
        let content = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let file = self.files.len();
        self.files.push(path.to_owned());
        self.paths.push(Vec::new());
        // Where its children lie.
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let children = match stem {
            "lib" | "mod" => path.parent().expect("a folder").to_owned(),
            _ => path.with_extension(""),
        };
        self.read_module(folder, &children, &content.items, file, parent)
    }

    fn read_module(
        &mut self,
        folder: &Path,
        children: &Path,
        items: &[syn::Item],
        file: usize,
        parent: usize,
    ) -> usize {
        let module = self.modules.len();
        self.modules.push(Module { parent, file, ..Module::default() });
        for item in items {
            self.read_item(folder, children, item, module);
        }
        module
    }

    fn read_item(&mut self, folder: &Path, children: &Path, item: &syn::Item, module: usize) {
        let file = self.modules[module].file;
        if attributes(item).iter().any(is_for_tests) {
            return;
        }
        match item {
            syn::Item::Mod(inner) => {
                let name = inner.ident.to_string();
                match &inner.content {
                    Some((_, items)) => {
                        let within = children.join(&name);
                        let inner = self.read_module(folder, &within, items, file, module);
                        self.modules[module].names.insert(name, Name::Module(inner));
                    }
                    // Of several for different systems the last one stands for all; all are read.
                    None => {
                        for path in child_files(folder, children, &inner.attrs, &name) {
                            let inner = self.read_file(folder, &path, module);
                            self.modules[module].names.insert(name.clone(), Name::Module(inner));
                        }
                    }
                }
                return;
            }
            syn::Item::Use(item) => {
                let exported = !matches!(item.vis, syn::Visibility::Inherited);
                self.read_use(&item.tree, &mut Vec::new(), module, exported);
                return;
            }
            syn::Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    let root = item.attrs.iter().any(|a| a.path().is_ident("macro_export"));
                    let place = if root { 0 } else { module };
                    // An exported one is found in the crate's root, and lies here.
                    if place == module {
                        self.modules[module].names.entry(name.to_string()).or_insert(Name::Item);
                    } else {
                        let path = self.path_of(module, &name.to_string());
                        self.modules[module].names.entry(name.to_string()).or_insert(Name::Item);
                        self.modules[0].names.entry(name.to_string()).or_insert(Name::Import(path));
                    }
                }
            }
            _ => {}
        }
        if let Some(name) = name_of(item) {
            // A function may have the name of a module.
            self.modules[module].names.entry(name).or_insert(Name::Item);
        }
        let mut collector = Collector { module, found: Vec::new() };
        collector.visit_item(item);
        self.paths[file].append(&mut collector.found);
    }

    /// The path of something in a module, from the root.
    fn path_of(&self, module: usize, name: &str) -> Vec<String> {
        let mut path = vec![name.to_owned()];
        let mut inner = module;
        while inner != 0 {
            let parent = &self.modules[self.modules[inner].parent];
            let found =
                parent.names.iter().find(|(_, n)| matches!(n, Name::Module(m) if *m == inner));
            // A module is entered after its contents.
            let Some((name, _)) = found else { return vec![] };
            path.insert(0, name.clone());
            inner = self.modules[inner].parent;
        }
        path.insert(0, "crate".to_owned());
        path
    }

    fn read_use(
        &mut self,
        tree: &syn::UseTree,
        path: &mut Vec<String>,
        module: usize,
        exported: bool,
    ) {
        let file = self.modules[module].file;
        let enter = |sources: &mut Sources, path: Vec<String>, name: String, span: Span| {
            let line = span.start().line;
            sources.paths[file].push(Found { module, path: path.clone(), line, exported });
            sources.modules[module].names.entry(name).or_insert(Name::Import(path));
        };
        match tree {
            syn::UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.read_use(&inner.tree, path, module, exported);
                path.pop();
            }
            syn::UseTree::Name(inner) if inner.ident == "self" => {
                let name = path.last().expect("`self` of something").clone();
                enter(self, path.clone(), name, inner.ident.span());
            }
            syn::UseTree::Name(inner) => {
                let name = inner.ident.to_string();
                let full = [&path[..], std::slice::from_ref(&name)].concat();
                enter(self, full, name, inner.ident.span());
            }
            syn::UseTree::Rename(inner) => {
                let mut full = path.clone();
                if inner.ident != "self" {
                    full.push(inner.ident.to_string());
                }
                enter(self, full, inner.rename.to_string(), inner.ident.span());
            }
            syn::UseTree::Glob(_) => self.modules[module].globs.push(path.clone()),
            syn::UseTree::Group(inner) => {
                inner.items.iter().for_each(|tree| self.read_use(tree, path, module, exported));
            }
        }
    }

    /// Where the item of a path is written. `None`: in another crate, or it is a module.
    fn resolve(&self, module: usize, path: &[String], depth: usize) -> Option<Place> {
        if depth > 16 {
            return None;
        }
        let mut at = module;
        for (index, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" => at = self.modules[at].parent,
                _ => match self.modules[at].names.get(name) {
                    Some(Name::Item) => return Some(Place { module: at, is_module: false }),
                    Some(Name::Module(inner)) => at = *inner,
                    Some(Name::Import(from)) if from.first().is_none_or(|first| first != name) => {
                        let place = self.resolve(at, from, depth + 1)?;
                        if !place.is_module {
                            return Some(place);
                        }
                        at = place.module;
                    }
                    Some(Name::Import(_)) => return None,
                    None => {
                        let rest = &path[index..];
                        return self.modules[at].globs.iter().find_map(|glob| {
                            let place = self.resolve(at, glob, depth + 1)?;
                            (place.module != at)
                                .then(|| self.resolve(place.module, rest, depth + 1))?
                        });
                    }
                },
            }
        }
        Some(Place { module: at, is_module: true })
    }

    /// All arrows, by the file from which they go.
    fn arrows(&self) -> Vec<BTreeSet<Arrow>> {
        let arrows_of = |(from, found): (usize, &Vec<Found>)| {
            let mut arrows = BTreeSet::new();
            for Found { module, path, line, exported } in found {
                let Some(place) = self.resolve(*module, path, 0) else { continue };
                let to = self.modules[place.module].file;
                let is_below = self.is_within(place.module, *module);
                if !place.is_module && to != from && !(*exported && is_below) {
                    arrows.insert(Arrow { to, line: *line, path: path.join("::") });
                }
            }
            arrows
        };
        self.paths.iter().enumerate().map(arrows_of).collect()
    }

    fn is_within(&self, mut inner: usize, outer: usize) -> bool {
        while inner != outer && inner != 0 {
            inner = self.modules[inner].parent;
        }
        inner == outer
    }
}

struct Place {
    module: usize,
    is_module: bool,
}

/// Finds the paths in an item.
struct Collector {
    module: usize,
    found: Vec<Found>,
}

impl Collector {
    fn add(&mut self, path: Vec<String>, span: Span) {
        // A single name was imported, or is written here.
        if path.len() > 1 {
            let line = span.start().line;
            self.found.push(Found { module: self.module, path, line, exported: false });
        }
    }

    /// Of a macro's arguments, which may be anything.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut begin) = (0, None);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path, begin);
                        begin = Some(name.span());
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.end(&mut path, begin);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.end(&mut path, begin);
    }

    fn end(&mut self, path: &mut Vec<String>, begin: Option<Span>) {
        if let Some(begin) = begin {
            self.add(std::mem::take(path), begin);
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.add(names, path.segments[0].ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        visit::visit_macro(self, item);
        self.add_tokens(item.tokens.clone());
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, or one of more conditions that begins so.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let condition = list.tokens.to_string().replace(' ', "");
    list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

fn name_of(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Where a module may be written: there, or where an attribute says.
fn child_files(
    folder: &Path,
    children: &Path,
    attrs: &[syn::Attribute],
    name: &str,
) -> Vec<PathBuf> {
    let mut named = Vec::new();
    for attr in attrs {
        // Also inside a `cfg_attr`.
        let text = quote_of(attr);
        if let Some((_, rest)) = text.split_once("path = \"") {
            let (path, _) = rest.split_once('"').expect("a string ends");
            named.push(children.join(path));
        }
    }
    if named.is_empty() {
        let file = children.join(name).with_extension("rs");
        let is_file = folder.join(&file).exists();
        named.push(if is_file { file } else { children.join(name).join("mod.rs") });
    }
    named
}

/// The text of an attribute, as tokens.
fn quote_of(attr: &syn::Attribute) -> String {
    match &attr.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg_attr") => list.tokens.to_string(),
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => {
                format!("path = {:?}", path.value())
            }
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// The groups of files that lead to each other.
fn circles(arrows: &[BTreeSet<Arrow>]) -> Vec<Vec<usize>> {
    let reaches: Vec<BTreeSet<usize>> = (0..arrows.len())
        .map(|from| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(file) = next.pop() {
                next.extend(arrows[file].iter().map(|a| a.to).filter(|to| seen.insert(*to)));
            }
            seen
        })
        .collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for file in (0..arrows.len()).filter(|file| reaches[*file].contains(file)) {
        let same = |other: &usize| reaches[*other].contains(&file) && reaches[file].contains(other);
        match groups.iter_mut().find(|group| same(&group[0])) {
            Some(group) => group.push(file),
            None => groups.push(vec![file]),
        }
    }
    groups
}

#[test]
fn no_files_import_each_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mco/src");
    let sources = Sources::read(&folder);
    let arrows = sources.arrows();
    let mut text = String::new();
    for group in circles(&arrows) {
        writeln!(text, "a circle of {} files:", group.len()).unwrap();
        for from in &group {
            for arrow in arrows[*from].iter().filter(|arrow| group.contains(&arrow.to)) {
                let (from, to) =
                    (sources.files[*from].display(), sources.files[arrow.to].display());
                writeln!(text, "  {from}:{} -> {to} ({})", arrow.line, arrow.path).unwrap();
            }
        }
    }
    assert!(text.is_empty(), "{text}");
}

/// The layers, the lowest first, each by the paths of what belongs to it. A file imports from lower layers, and from
/// what stands in the same line.
const LAYERS: &[&[&str]] = &[
    &["backoff.rs", "prefetch.rs", "random.rs", "shrinking.rs", "coroutine_id.rs", "defaults.rs"],
    &["report.rs", "clock.rs", "thread_count.rs"],
    &["runtime_thread.rs"],
    &["forked.rs"],
    &["trace/"],
    &["timer/"],
    &["fiber/"],
    &["task/"],
    &["wait/"],
    &["reactor/"],
    &["blocking_pool/"],
    &["scheduler/"],
    &["inspect/"],
    &["runtime/global.rs"],
    &["coroutine"],
    &["block_on.rs", "blocking.rs"],
    &["std/"],
    &["cqueue.rs"],
    &["net/", "io/", "os/"],
    &["select/"],
    // Nothing but re-exports, also of what is above the rest of `std`.
    &["std/mod.rs", "std/sync/mod.rs"],
    &["runtime/handle.rs", "runtime/metrics.rs"],
    &["bridge"],
    &["runtime/mod.rs"],
    &["config.rs", "debug.rs", "testing/"],
    &["macro_support"],
    &["lib.rs"],
];

fn layer_of(file: &Path) -> Option<usize> {
    let file = file.to_str().expect("names are text");
    let matches = LAYERS.iter().enumerate().flat_map(|(layer, names)| {
        names.iter().filter(|name| file.starts_with(**name)).map(move |name| (name.len(), layer))
    });
    matches.max().map(|(_, layer)| layer)
}

#[test]
fn imports_go_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mco/src");
    let sources = Sources::read(&folder);
    let mut text = String::new();
    for (from, arrows) in sources.files.iter().zip(sources.arrows()) {
        let Some(own) = layer_of(from) else {
            writeln!(text, "{} is in no layer", from.display()).unwrap();
            continue;
        };
        for Arrow { to, line, path } in arrows {
            let to = &sources.files[to];
            if layer_of(to).is_some_and(|layer| layer > own) {
                let (from, to) = (from.display(), to.display());
                writeln!(text, "{from}:{line} imports {to}, which is above it ({path})").unwrap();
            }
        }
    }
    assert!(text.is_empty(), "{text}");
}

/// Whether `text`, a file's, opens its whole module for `unsafe`.
fn opens_unsafe(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("#![allow(unsafe_code"))
}

/// Whether it has child modules in files of their own, but those for tests.
fn has_children(text: &str) -> bool {
    let file = syn::parse_file(text).expect("it has been parsed before");
    file.items.iter().any(|item| match item {
        syn::Item::Mod(child) => child.content.is_none() && !child.attrs.iter().any(is_for_tests),
        _ => false,
    })
}

#[test]
fn a_file_that_opens_unsafe_opens_it_for_no_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mco/src");
    let mut text = String::new();
    for file in &Sources::read(&folder).files {
        let content = fs::read_to_string(folder.join(file)).expect("it has been read before");
        if opens_unsafe(&content) && has_children(&content) {
            writeln!(text, "{} opens `unsafe` for its child modules, too", file.display()).unwrap();
        }
    }
    assert!(text.is_empty(), "{text}");
}

/// What expansions use: public, and documented for mco itself.
const HIDDEN: &[&str] = &[
    "macro_support",
    "macro_support.rs",
    "select/arms",
    "select/choice.rs",
    "select/operation.rs",
    "select/probe.rs",
    "testing",
];

/// Types whose documentation needs no example: they are std's or crossbeam's under their names, or what a function shown
/// with an example returns.
const SELF_EXPLANATORY: &[&str] = &[
    "AccessError",
    "BarrierWaitResult",
    "Incoming",
    "IntoIncoming",
    "IntoIter",
    "Iter",
    "LocalKey",
    "OnceState",
    "ReadyTimeoutError",
    "RwLockReadGuard",
    "RwLockWriteGuard",
    "Scope",
    "ScopedJoinHandle",
    "SelectTimeoutError",
    "SelectedOperation",
    "SendTimeoutError",
    "Thread",
    "ThreadId",
    "TryIter",
    "TryReadyError",
    "TrySelectError",
    "WaitTimeoutResult",
];

/// The name of a public type that users see, and its attributes. No lint lets a `pub` stand that nobody can reach.
fn public_type(item: &syn::Item) -> Option<(String, &[syn::Attribute])> {
    let (visibility, name, attributes) = match item {
        syn::Item::Struct(item) => (&item.vis, &item.ident, &item.attrs),
        syn::Item::Enum(item) => (&item.vis, &item.ident, &item.attrs),
        syn::Item::Trait(item) => (&item.vis, &item.ident, &item.attrs),
        _ => return None,
    };
    matches!(visibility, syn::Visibility::Public(_)).then(|| (name.to_string(), &attributes[..]))
}

/// The text of its documentation. `None`: it is hidden.
fn documentation(attributes: &[syn::Attribute]) -> Option<String> {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        match &attribute.meta {
            syn::Meta::NameValue(meta) => {
                let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &meta.value
                else {
                    continue;
                };
                text += &line.value();
                text += "\n";
            }
            syn::Meta::List(list) if list.tokens.to_string() == "hidden" => return None,
            _ => {}
        }
    }
    Some(text)
}

#[test]
fn each_public_type_has_an_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mco/src");
    let (mut text, mut types) = (String::new(), 0);
    for file in &Sources::read(&folder).files {
        if HIDDEN.iter().any(|hidden| file.starts_with(hidden)) {
            continue;
        }
        let content = fs::read_to_string(folder.join(file)).expect("it has been read before");
        let items = syn::parse_file(&content).expect("it has been parsed before").items;
        for (name, attributes) in items.iter().filter_map(public_type) {
            let Some(documentation) = documentation(attributes) else { continue };
            // What is inside of a primitive that `select!` waits for.
            if name == "State" && !file.starts_with("inspect") {
                continue;
            }
            types += 1;
            if !documentation.contains("```") && !SELF_EXPLANATORY.contains(&name.as_str()) {
                writeln!(text, "{}: `{name}` is documented without an example", file.display())
                    .unwrap();
            }
        }
    }
    assert!(types > 80, "only {types} public types were found");
    assert!(text.is_empty(), "{text}");
}
