//! The sources of the program, parsed: which paths each module uses, and its tokens.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree};

pub(crate) fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A path from the root of the crate (`delta`, `cpu`), or of another crate (`std`, `fs`).
pub(crate) type Names = Vec<String>;

/// One source file, without its test modules.
pub(crate) struct Source {
    /// `diagnose`, `rules`, `cpu_user`; empty for the root of the crate.
    pub(crate) module: Names,
    pub(crate) file: syn::File,
    paths: Paths,
}

impl Source {
    pub(crate) fn new<S: ToString>(module: impl IntoIterator<Item = S>, text: &str) -> Self {
        let module: Names = module.into_iter().map(|part| part.to_string()).collect();
        let mut file = syn::parse_file(text).unwrap_or_else(|error| panic!("{module:?}: {error}"));
        remove_tests(&mut file.items);
        let mut paths = Paths::new(module.clone());
        paths.read_names(&file.items);
        paths.visit_file(&file);
        Self { module, file, paths }
    }

    pub(crate) fn name(&self) -> String {
        self.module.join("::")
    }

    pub(crate) fn stage(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// Every path of this crate that it uses, from the root of the crate on.
    pub(crate) fn dependencies(&self) -> &BTreeSet<Names> {
        &self.paths.inside
    }

    /// Every path of another crate that it uses, with the name of the crate first.
    pub(crate) fn foreign(&self) -> &BTreeSet<Names> {
        &self.paths.outside
    }

    /// Macros that it calls, by name.
    pub(crate) fn macros(&self) -> &BTreeSet<String> {
        &self.paths.macros
    }

    /// Its words, literals and punctuation, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        tokens(self.file.to_token_stream())
    }

    /// The documentation at its head.
    pub(crate) fn header(&self) -> String {
        documentation(&self.file.attrs)
    }
}

/// Every module below `src` with its file, in order.
pub(crate) fn modules() -> Vec<(Names, PathBuf)> {
    let (mut modules, mut folders) = (Vec::new(), vec![src()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(src()).unwrap().with_extension("");
                let mut module: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
                module.pop_if(|last| *last == "mod" || *last == "lib");
                modules.push((module.into_iter().map(str::to_owned).collect(), path));
            }
        }
    }
    modules.sort();
    assert!(modules.len() > 30, "the source was not found");
    modules
}

/// Every file below `src`, parsed.
pub(crate) fn sources() -> Vec<Source> {
    sources_where(|_| true)
}

/// The files of the modules that are `wanted`, parsed: to parse all of them takes a second.
pub(crate) fn sources_where(wanted: impl Fn(&[String]) -> bool) -> Vec<Source> {
    let modules = modules().into_iter().filter(|(module, _)| wanted(module));
    modules.map(|(module, path)| Source::new(module, &fs::read_to_string(path).unwrap())).collect()
}

/// The text of `///` and `//!` comments.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => {
            Some(strings(pair.value.to_token_stream()))
        }
        _ => None,
    });
    lines.flatten().map(|line| line + "\n").collect()
}

/// The string literals in `stream`.
pub(crate) fn strings(stream: TokenStream) -> Vec<String> {
    let literal = |token: String| match syn::parse_str(&token) {
        Ok(syn::Lit::Str(text)) => Some(text.value()),
        _ => None,
    };
    tokens(stream).into_iter().filter_map(literal).collect()
}

/// Words, literals, `::`, and every other character alone; delimiters included.
pub(crate) fn tokens(stream: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    add_tokens(stream, &mut found);
    found
}

fn add_tokens(stream: TokenStream, found: &mut Vec<String>) {
    let mut rest = stream.into_iter().peekable();
    while let Some(tree) = rest.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                found.push(open.to_owned());
                add_tokens(group.stream(), found);
                found.push(close.to_owned());
            }
            TokenTree::Punct(first) if first.as_char() == ':' && first.spacing() == Spacing::Joint => {
                let second = rest.next_if(|next| matches!(next, TokenTree::Punct(p) if p.as_char() == ':'));
                found.push(if second.is_some() { "::" } else { ":" }.to_owned());
            }
            other => found.push(other.to_string()),
        }
    }
}

/// Takes out the modules that only tests compile.
fn remove_tests(items: &mut Vec<Item>) {
    items.retain(|item| !matches!(item, Item::Mod(module) if is_for_tests(&module.attrs)));
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && tokens(attribute.meta.to_token_stream()) == ["cfg", "(", "test", ")"]
    })
}

/// Collects the paths that a file uses.
struct Paths {
    /// The module at hand; longer inside of a module within the file.
    module: Names,
    /// What a name of the file stands for, with `crate` or the name of another crate first.
    children: BTreeMap<String, Names>,
    imports: BTreeMap<String, Names>,
    inside: BTreeSet<Names>,
    outside: BTreeSet<Names>,
    macros: BTreeSet<String>,
}

impl Paths {
    fn new(module: Names) -> Self {
        let (children, imports) = Default::default();
        let (inside, outside, macros) = Default::default();
        Self { module, children, imports, inside, outside, macros }
    }

    /// Notes the child modules and imports of a file, so that paths which begin with one are followed.
    fn read_names(&mut self, items: &[Item]) {
        for item in items {
            if let Item::Mod(child) = item {
                let name = child.ident.to_string();
                let path = [vec!["crate".to_owned()], self.module.clone(), vec![name.clone()]].concat();
                self.children.insert(name, path);
            }
        }
        for item in items {
            if let Item::Use(import) = item {
                let mut found = Vec::new();
                leaves(&import.tree, &mut Vec::new(), &mut found);
                for (path, name) in found {
                    let absolute = self.absolute(&path);
                    self.imports.extend(name.map(|name| (name, absolute)));
                }
            }
        }
    }

    /// The path of an import with `crate` or the name of another crate first.
    fn absolute(&self, path: &[String]) -> Names {
        let crate_name = || vec!["crate".to_owned()];
        match path.first().map(String::as_str) {
            Some("super" | "self") => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let stem = &self.module[..self.module.len().saturating_sub(up)];
                [&crate_name(), stem, &path[up.max(1)..]].concat()
            }
            Some("diag") => [&crate_name(), &path[1..]].concat(),
            Some(first) => match self.children.get(first) {
                Some(child) => [child, &path[1..]].concat(),
                None => path.to_vec(),
            },
            None => Vec::new(),
        }
    }

    fn add(&mut self, mut path: Names) {
        if path.first().is_some_and(|first| first == "crate") {
            path.remove(0);
            self.inside.insert(path);
        } else if !path.is_empty() {
            self.outside.insert(path);
        }
    }

    /// Adds a path of the code, which may begin with an imported name.
    fn add_used(&mut self, path: &[String]) {
        let imported = path.first().and_then(|first| self.imports.get(first));
        let absolute = match imported {
            Some(known) => [known, &path[1..]].concat(),
            None => self.absolute(path),
        };
        self.add(absolute);
    }

    /// Finds paths and macros in what a macro is given: that is not parsed.
    fn add_from_tokens(&mut self, stream: TokenStream) {
        let tokens = tokens(stream);
        let is_word = |token: &str| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let mut at = 0;
        while at < tokens.len() {
            // A field may have the name of a module.
            let is_field = at > 0 && tokens[at - 1] == ".";
            let mut path: Names = Vec::new();
            while at < tokens.len() && is_word(&tokens[at]) {
                path.push(tokens[at].clone());
                at += 1;
                if tokens.get(at).is_none_or(|token| token != "::") {
                    break;
                }
                at += 1;
            }
            match path.last() {
                Some(name) if tokens.get(at).is_some_and(|token| token == "!") => {
                    self.macros.insert(name.clone());
                }
                Some(_) if is_field => {}
                Some(_) => self.add_used(&path),
                None => at += 1,
            }
        }
    }
}

/// Every path of a use tree, and the name that it brings in.
fn leaves(tree: &UseTree, stem: &mut Names, found: &mut Vec<(Names, Option<String>)>) {
    match tree {
        UseTree::Path(path) => {
            stem.push(path.ident.to_string());
            leaves(&path.tree, stem, found);
            stem.pop();
        }
        UseTree::Name(name) if name.ident == "self" => found.push((stem.clone(), stem.last().cloned())),
        UseTree::Name(name) => {
            let path = [stem.clone(), vec![name.ident.to_string()]].concat();
            found.push((path, Some(name.ident.to_string())));
        }
        UseTree::Rename(rename) => {
            let mut path = stem.clone();
            if rename.ident != "self" {
                path.push(rename.ident.to_string());
            }
            found.push((path, Some(rename.rename.to_string())));
        }
        UseTree::Glob(_) => found.push(([stem.clone(), vec!["*".to_owned()]].concat(), None)),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, stem, found)),
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_for_tests(&item.attrs) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        let mut found = Vec::new();
        leaves(&import.tree, &mut Vec::new(), &mut found);
        for (path, _) in found {
            let absolute = self.absolute(&path);
            self.add(absolute);
        }
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(crate)` names a module and does not use it.
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add_used(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if let Some(name) = call.path.segments.last() {
            self.macros.insert(name.ident.to_string());
        }
        self.add_from_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if !attribute.path().is_ident("doc") {
            self.add_from_tokens(attribute.meta.to_token_stream());
        }
    }
}
