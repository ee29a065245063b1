//! Rules that the compiler does not check. There is no list of exceptions.

use crate::layers::{self, Layer};
use crate::source::{blank, functions, production_lines};
use crate::workspace::{self, Package};
use anyhow::{Context, Result, bail};
use std::path::Path;

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;
const LIB_LINES_MAX: usize = 100;

/// Calls that a layer and those below it leave to others: highest layer, words, why.
const BANNED: [(usize, &[&str], &str); 3] = [
    (
        5,
        &["std::fs", "Instant::now", "SystemTime::now", "thread::sleep", "rand::"],
        "files, clocks and randomness come through the traits of `env`",
    ),
    (4, &["thread::spawn", "thread::Builder"], "threads belong to `node`"),
    (7, &["println!", "eprintln!", "print!", "eprint!"], "lines for people come from the binaries"),
];

/// Checks the workspace and prints what is wrong.
pub fn run() -> Result<()> {
    let faults = check()?;
    if faults.is_empty() {
        println!("tidy: nothing to say");
        return Ok(());
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    bail!("{} faults", faults.len())
}

/// What is wrong in the workspace, one line per fault.
pub fn check() -> Result<Vec<String>> {
    let packages = workspace::packages()?;
    let mut faults = layers::check(&packages);
    for package in &packages {
        for file in workspace::rust_files(&package.folder)? {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("read {}", file.display()))?;
            let path = file.strip_prefix(workspace::root()).unwrap_or(&file);
            faults.extend(check_file(package, path, &text));
        }
    }
    Ok(faults)
}

fn check_file(package: &Package, path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let shown = path.display();
    if !text.starts_with("//!") {
        faults.push(format!("{shown}:1: has no `//!` header that says what it is"));
    }
    let production = production_lines(text);
    if !is_production(path) {
        return faults;
    }
    if production > FILE_LINES_MAX {
        faults.push(format!("{shown}: {production} lines, at most {FILE_LINES_MAX}"));
    }
    if path.ends_with("src/lib.rs") && production >= LIB_LINES_MAX {
        faults.push(format!("{shown}: {production} lines, a lib.rs has less than {LIB_LINES_MAX}"));
    }
    let code = blank(text);
    let long = functions(&code)
        .into_iter()
        .filter(|function| function.line <= production && function.lines > FUNCTION_LINES_MAX);
    faults.extend(long.map(|function| {
        let (name, line, lines) = (function.name, function.line, function.lines);
        format!("{shown}:{line}: {name} has {lines} lines, at most {FUNCTION_LINES_MAX}")
    }));
    faults.extend(
        banned(package, &code, production)
            .map(|(line, word, why)| format!("{shown}:{line}: {word} in {}: {why}", package.name)),
    );
    faults
}

/// Whether a file is part of a crate, not a test of it or its build script.
fn is_production(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let in_source = path.components().any(|part| part.as_os_str() == "src");
    in_source && !name.ends_with("_test") && name != "tests"
}

fn banned<'a>(
    package: &'a Package,
    code: &'a str,
    production: usize,
) -> impl Iterator<Item = (usize, &'static str, &'static str)> + 'a {
    let layer = match layers::layer(&package.name) {
        Some(Layer::Number(layer)) if package.name != "env" => layer,
        _ => usize::MAX,
    };
    let rules = BANNED.iter().filter(move |(highest, _, _)| layer <= *highest);
    rules.flat_map(move |(_, words, why)| {
        let lines = code.lines().take(production).enumerate();
        lines.flat_map(move |(line, text)| {
            let used = words.iter().filter(move |word| has_word(text, word));
            used.map(move |word| (line + 1, *word, *why))
        })
    })
}

/// Whether the word is there, and not as the end of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(position, _)| {
        let before = text[..position].chars().next_back();
        !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn faults(package: &str, path: &str, text: &str) -> Vec<String> {
        let package =
            Package { name: package.to_owned(), folder: PathBuf::new(), dependencies: Vec::new() };
        check_file(&package, Path::new(path), text)
    }

    #[test]
    fn the_workspace_is_tidy() {
        assert_eq!(check().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn every_rule_finds_its_fault() {
        let body = "    x();\n";
        let long = format!("//! x\nfn long() {{\n{}}}\n", body.repeat(69));
        assert_eq!(faults("raft", "crates/raft/src/a.rs", &long).len(), 1);
        let fits = format!("//! x\nfn fits() {{\n{}}}\n", body.repeat(68));
        assert_eq!(faults("raft", "crates/raft/src/a.rs", &fits).len(), 0);
        let file = format!("//! x\n{}", "const A: u8 = 0;\n".repeat(600));
        assert_eq!(faults("raft", "crates/raft/src/a.rs", &file).len(), 1);
        let tested = format!("//! x\n#[cfg(test)]\nmod tests {{\n{}}}\n", body.repeat(700));
        assert_eq!(faults("raft", "crates/raft/src/a.rs", &tested).len(), 0);
        let lib = format!("//! x\n{}", "mod a;\n".repeat(99));
        assert_eq!(faults("raft", "crates/raft/src/lib.rs", &lib).len(), 1);
        assert_eq!(faults("raft", "crates/raft/src/a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(faults("raft", "crates/raft/src/a_test.rs", &long).len(), 0);
    }

    #[test]
    fn banned_calls_are_found_where_they_are_banned() {
        let use_file = "//! x\nfn f() { std::fs::read(x); }\n";
        assert_eq!(faults("raft", "crates/raft/src/a.rs", use_file).len(), 1);
        assert_eq!(faults("env", "crates/env/src/a.rs", use_file).len(), 0);
        assert_eq!(faults("etcd", "crates/etcd/src/a.rs", use_file).len(), 0);
        let words = "//! std::fs\nfn f() { operand::g(); \"rand::\"; env::rand::x(); } // rand::\n";
        assert_eq!(faults("raft", "crates/raft/src/a.rs", words).len(), 1);
        let spawn = "//! x\nfn f() { thread::spawn(g); }\n";
        assert_eq!(faults("mvcc", "crates/mvcc/src/a.rs", spawn).len(), 1);
        assert_eq!(faults("node", "crates/node/src/a.rs", spawn).len(), 0);
    }
}
