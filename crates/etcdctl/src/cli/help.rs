//! Help, laid out as cobra lays it out.

use std::fmt::Write as _;

use super::spec::{Flag, Kind, Spec};

/// What a command does and how it is called.
pub fn help(root: &Spec, path: &[&str]) -> String {
    let spec = find(root, path);
    let about = if spec.details.is_empty() { spec.summary } else { spec.details };
    let hint = "Use \"etcdctl options\" for a list of global command-line options \
                (applies to all commands).";
    format!("{}\n\n{}\n{hint}", about.trim(), usage(root, path).trim_end())
}

/// How a command is called.
pub fn usage(root: &Spec, path: &[&str]) -> String {
    let spec = find(root, path);
    let full = std::iter::once(root.name).chain(path.iter().copied());
    let full = full.collect::<Vec<_>>().join(" ");
    let mut out = String::from("Usage:\n");
    if spec.commands.is_empty() {
        let arguments = spec.arguments;
        let space = if arguments.is_empty() { "" } else { " " };
        out.push_str(&format!("  {full}{space}{arguments} [flags]\n"));
    } else {
        out.push_str(&format!("  {full} [command]\n\nAvailable Commands:\n"));
        let names = spec.commands.iter().map(|command| command.name.len());
        let width = names.max().unwrap_or(0).max(11);
        for command in &spec.commands {
            out.push_str(&format!("  {:<width$} {}\n", command.name, command.summary));
        }
    }
    let mut flags = spec.flags.clone();
    if !path.is_empty() {
        flags.push(Flag {
            name: "help",
            short: Some('h'),
            kind: Kind::Bool,
            default: "",
            help: "show this help",
        });
        flags.extend(&spec.inherited);
        out.push_str(&format!("\nFlags:\n{}", list(&flags)));
        let above = path.len().saturating_sub(1);
        let above: Vec<Flag> =
            (1..=above).flat_map(|end| find(root, &path[..end]).inherited.clone()).collect();
        if !above.is_empty() {
            out.push_str(&format!("\nGlobal Flags:\n{}", list(&above)));
        }
    }
    if !spec.commands.is_empty() {
        out.push_str(&format!("\nUse \"{full} [command] --help\" for more about a command.\n"));
    }
    out
}

/// The flags that every command takes.
pub fn options(root: &Spec) -> String {
    format!("The following options can be passed to any command:\n\n{}", list(&root.inherited))
}

fn find<'a>(root: &'a Spec, path: &[&str]) -> &'a Spec {
    path.iter().fold(root, |spec, name| spec.command(name).unwrap_or(spec))
}

fn list(flags: &[Flag]) -> String {
    let mut flags = flags.to_vec();
    flags.sort_by_key(|flag| flag.name);
    let heads: Vec<String> = flags.iter().map(head).collect();
    let width = heads.iter().map(String::len).max().unwrap_or(0);
    let mut out = String::new();
    for (flag, head) in flags.iter().zip(heads) {
        let default = match flag.kind {
            _ if flag.default.is_empty() => String::new(),
            Kind::Text => format!(" (default \"{}\")", flag.default),
            Kind::Texts => format!(" (default [{}])", flag.default),
            _ => format!(" (default {})", flag.default),
        };
        writeln!(out, "{head:<width$}   {}{default}", flag.help)
            .expect("writing to a string cannot fail");
    }
    out
}

fn head(flag: &Flag) -> String {
    let kind = match flag.kind {
        Kind::Bool => "",
        Kind::Int => " int",
        Kind::Duration => " duration",
        Kind::Text => " string",
        Kind::Texts => " strings",
    };
    match flag.short {
        Some(short) => format!("  -{short}, --{}{kind}", flag.name),
        None => format!("      --{}{kind}", flag.name),
    }
}
