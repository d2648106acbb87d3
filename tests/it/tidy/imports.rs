//! The imports between the files of `src`, with every re-export followed to the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{self, is_word};

/// A module path below the crate: `["sys", "linux"]`.
type ModulePath = Vec<String>;

struct Module {
    file: String,
    /// Imported and re-exported names, with the absolute path that each stands for.
    names: BTreeMap<String, ModulePath>,
    /// Every path that the code of the file uses, with its line.
    uses: Vec<(usize, ModulePath)>,
}

/// The imports of all files of `src`, test code left out.
pub(super) struct Imports {
    modules: BTreeMap<ModulePath, Module>,
}

impl Imports {
    pub(super) fn of_src() -> Self {
        let files = source::files("src", "rs").into_iter().filter(|file| !source::is_test_file(file));
        Self::of(files.map(|file| (source::read(&file), file)))
    }

    fn of(files: impl Iterator<Item = (String, String)>) -> Self {
        let mut modules = BTreeMap::new();
        let mut codes = Vec::new();
        for (text, file) in files {
            let path = module_path(&file);
            codes.push((path.clone(), without_tests(source::split(&text).code)));
            let names = modules_with_path(&file, &text);
            modules.insert(path, Module { file, names, uses: Vec::new() });
        }
        let mut imports = Self { modules };
        for (path, code) in codes {
            imports.read(&path, &code);
        }
        imports
    }

    fn read(&mut self, path: &ModulePath, code: &str) {
        let tokens = tokens(code);
        let mut names = BTreeMap::new();
        let mut uses = Vec::new();
        let mut body = Vec::new();
        let mut i = 0;
        while i < tokens.len() {
            let (line, token) = &tokens[i];
            if token == "use" {
                let end = (i..tokens.len()).find(|&j| tokens[j].1 == ";").unwrap_or(tokens.len());
                // A re-export alone imports nothing into the file; it counts only if the code uses the name.
                let is_public = i > 0 && matches!(&*tokens[i - 1].1, "pub" | ")");
                let words: Vec<&str> = tokens[i + 1..end].iter().map(|(_, token)| &**token).collect();
                for (name, import) in use_tree(&words) {
                    let Some(target) = self.absolute(path, &import) else { continue };
                    if !is_public {
                        uses.push((*line, target.clone()));
                    }
                    names.insert(name, (target, is_public, *line));
                }
                i = end;
            } else {
                body.push((*line, &**token));
            }
            i += 1;
        }
        for (name, (target, is_public, line)) in &names {
            if *is_public && body.iter().any(|(_, token)| token == name) {
                uses.push((*line, target.clone()));
            }
        }
        for (i, (line, token)) in body.iter().enumerate() {
            if body.get(i + 1).is_none_or(|(_, next)| *next != "::") || (i > 0 && body[i - 1].1 == "::") {
                continue;
            }
            // A visibility, such as `pub(in crate::sys)`, imports nothing.
            if i > 1 && body[i - 1].1 == "in" && body[i - 2].1 == "(" {
                continue;
            }
            let segments = body[i..].chunks(2).scan(true, |go_on, pair| {
                let this = go_on.then(|| pair[0].1.to_owned());
                *go_on = pair.get(1).is_some_and(|(_, next)| *next == "::");
                this
            });
            let segments: ModulePath = segments.filter(|word| word.chars().all(is_word)).collect();
            let is_child = self.modules.contains_key(&child(path, token));
            if matches!(*token, "crate" | "super" | "self") || is_child {
                uses.extend(self.absolute(path, &segments).map(|target| (*line, target)));
            }
        }
        let module = self.modules.get_mut(path).unwrap();
        module.names.extend(names.into_iter().map(|(name, (target, ..))| (name, target)));
        module.uses = uses;
    }

    /// Makes a path absolute; `None` for one into another crate.
    fn absolute(&self, from: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let (mut target, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => (from.clone(), path),
            first if self.modules.contains_key(&child(from, first)) => (from.clone(), path),
            _ => return None,
        };
        while let [first, others @ ..] = rest
            && first == "super"
        {
            target.pop();
            rest = others;
        }
        target.extend(rest.iter().cloned());
        Some(target)
    }

    /// Returns the module that defines the item at this path.
    fn defining(&self, path: &[String], depth: usize) -> ModulePath {
        let deepest = (0..=path.len()).rev().find(|&n| self.modules.contains_key(&path[..n])).unwrap();
        let (module, rest) = (&path[..deepest], &path[deepest..]);
        let reexport = rest.first().and_then(|name| self.modules[module].names.get(name));
        match reexport {
            Some(target) if depth < 8 && target != path => {
                let path: ModulePath = target.iter().chain(&rest[1..]).cloned().collect();
                self.defining(&path, depth + 1)
            }
            _ => module.to_owned(),
        }
    }

    /// Returns each import of another room, as file, line and the room that the path names.
    pub(super) fn between_rooms(&self) -> Vec<(String, usize, String)> {
        let mut found = Vec::new();
        for (path, module) in &self.modules {
            for (line, target) in &module.uses {
                let Some(room) = target.first() else { continue };
                if path.first() != Some(room) {
                    found.push((module.file.clone(), *line, room.clone()));
                }
            }
        }
        found
    }

    /// Returns the files that each file imports.
    fn between_files(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for module in self.modules.values().filter(|module| module.file != "src/lib.rs") {
            let targets = edges.entry(&module.file).or_default();
            for (_, target) in &module.uses {
                let file = &*self.modules[&self.defining(target, 0)].file;
                if file != module.file {
                    targets.insert(file);
                }
            }
        }
        edges
    }

    /// Returns one line for each group of files that import each other in a circle.
    pub(super) fn circles(&self) -> Vec<String> {
        let edges = self.between_files();
        let reachable: BTreeMap<&str, BTreeSet<&str>> =
            edges.keys().map(|file| (*file, reachable(&edges, file))).collect();
        let mut circles = BTreeSet::new();
        for (file, reached) in &reachable {
            let group: BTreeSet<&str> =
                reached.iter().copied().filter(|other| reachable[other].contains(file)).collect();
            if !group.is_empty() {
                let arrows = group.iter().flat_map(|from| {
                    let inside = edges[from].intersection(&group);
                    inside.map(move |to| format!("{from} -> {to}"))
                });
                circles.insert(arrows.collect::<Vec<_>>().join(", "));
            }
        }
        circles.into_iter().collect()
    }
}

fn reachable<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for &next in edges.get(file).into_iter().flatten() {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

fn module_path(file: &str) -> ModulePath {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| !matches!(*part, "mod" | "lib")).map(str::to_owned).collect()
}

/// Returns the modules that a file declares with a `#[path]` attribute.
fn modules_with_path(file: &str, text: &str) -> BTreeMap<String, ModulePath> {
    let folder = file.rsplit_once('/').map_or("src", |(folder, _)| folder);
    let mut found = BTreeMap::new();
    let mut path = None;
    for line in text.lines().map(str::trim_start) {
        if let Some((_, rest)) = line.split_once("#[path = \"") {
            path = rest.split('"').next().filter(|path| !path.starts_with(".."));
        } else if !line.starts_with('#')
            && let Some(path) = path.take()
            && let Some((_, name)) = line.split_once("mod ")
        {
            // The first one stands for all of them, which are for different systems.
            found
                .entry(name.trim_end_matches(';').to_owned())
                .or_insert_with(|| module_path(&format!("{folder}/{path}")));
        }
    }
    found
}

fn child(path: &ModulePath, name: &str) -> ModulePath {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

/// Cuts off the test module at the bottom of a file.
fn without_tests(code: String) -> String {
    match code.find("#[cfg(test)]\nmod ") {
        Some(at) if code[at..].lines().nth(1).is_some_and(|line| line.ends_with('{')) => {
            code[..at].to_owned()
        }
        _ => code,
    }
}

/// Words, `::` and single punctuation characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens: Vec<(usize, String)> = Vec::new();
    for (i, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                c => c.len_utf8(),
            };
            if !first.is_whitespace() {
                tokens.push((i + 1, rest[..length].to_owned()));
            }
            rest = &rest[length..];
        }
    }
    tokens
}

/// Expands a `use` tree to the name and the path of each import.
fn use_tree(words: &[&str]) -> Vec<(String, ModulePath)> {
    let mut found = Vec::new();
    let mut prefixes: Vec<ModulePath> = vec![Vec::new()];
    let mut path: ModulePath = Vec::new();
    let mut alias = None;
    let mut i = 0;
    let mut finish = |path: &mut ModulePath, alias: &mut Option<String>| {
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        if let Some(last) = path.last() {
            found.push((alias.take().unwrap_or_else(|| last.clone()), path.clone()));
        }
    };
    while i < words.len() {
        match words[i] {
            "{" => prefixes.push(std::mem::take(&mut path)),
            "," | "}" => {
                if !path.is_empty() {
                    let mut whole: ModulePath = prefixes.concat();
                    whole.append(&mut path);
                    finish(&mut whole, &mut alias);
                }
                if words[i] == "}" {
                    prefixes.pop();
                }
            }
            "as" => {
                i += 1;
                alias = Some(words[i].to_owned());
            }
            "::" => {}
            "*" => path.push("*".to_owned()),
            word => path.push(word.to_owned()),
        }
        i += 1;
    }
    if !path.is_empty() {
        let mut whole: ModulePath = prefixes.concat();
        whole.append(&mut path);
        finish(&mut whole, &mut alias);
    }
    found
}

#[test]
fn no_two_files_import_each_other_in_a_circle() {
    let circles = Imports::of_src().circles();
    assert!(circles.is_empty(), "import circles:\n{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found_through_a_reexport_and_an_inline_path() {
    let file = |name: &str, text: &str| (text.to_owned(), format!("src/{name}"));
    let circles = |files: [(String, String); 4]| Imports::of(files.into_iter()).circles();
    let lib = || file("lib.rs", "pub mod a;");
    let room =
        || file("a/mod.rs", "mod one; mod two; pub use one::{First, Third as Other}; pub use two::Second;");
    let one = || file("a/one.rs", "use super::Second; pub struct First; pub struct Third;");
    let both = file("a/two.rs", "pub struct Second; fn f() { crate::a::Other::new(); }");
    assert_eq!(
        circles([lib(), room(), one(), both]),
        ["src/a/one.rs -> src/a/two.rs, src/a/two.rs -> src/a/one.rs"]
    );
    let by_path = file("a/mod.rs", "mod one;\n#[path = \"two.rs\"]\nmod other;");
    let via = file("a/one.rs", "use super::other::Second; pub struct Third;");
    let back = file("a/two.rs", "use super::one::Third; pub struct Second;");
    assert_eq!(
        circles([lib(), by_path, via, back]),
        ["src/a/one.rs -> src/a/two.rs, src/a/two.rs -> src/a/one.rs"]
    );
    let only_in_tests = file(
        "a/two.rs",
        "pub struct Second; // First\n#[cfg(test)]\nmod tests {\n use super::super::First; }",
    );
    assert_eq!(circles([lib(), room(), one(), only_in_tests]), Vec::<String>::new());
}
