//! A program that is given a line, and what it says of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::{LogLine, Run, run};

use super::Line;

/// How long a program may run: none of the lines makes one serve.
const DEADLINE: Duration = Duration::from_secs(20);

/// Lines that say nothing about the flag that is tried, or what only one of the servers says.
const OF_NO_MEANING: &[&str] = &[
    "Running http and grpc server on single port",
    "it isn't recommended to use default name",
    "not yet supported, has no effect",
    "use default bcrypt cost instead of the invalid given cost",
    "'data-dir' was empty; using default",
    "--max-snapshots is deprecated",
    "--v2-deprecation is deprecated",
    "advertise client URLs are not set",
    "Detected that checkpointing is enabled without persistence",
];

/// Notices that are worth a comparison although they are no faults.
const NOTICES: &[&str] = &["environment variable"];

/// One of the two servers.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    folder: PathBuf,
    file: PathBuf,
}

/// What a program says: its exit code and its complaints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub code: i32,
    pub said: Vec<String>,
}

impl Program {
    /// A program whose data directory is going to be a file in a folder.
    pub fn new(path: PathBuf, folder: &Path) -> Self {
        let file = folder.join("file");
        File::create(&file).unwrap();
        Self { path, folder: folder.to_owned(), file }
    }

    /// Runs a line to its end.
    pub fn run(&self, line: &Line) -> Answer {
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder).env_clear();
        command.envs(line.variables.iter().map(|(name, value)| (name, value)));
        let usual = [
            ("name", "m"),
            ("data-dir", self.file.to_str().unwrap()),
            ("listen-client-urls", "http://127.0.0.1:0"),
            ("advertise-client-urls", "http://127.0.0.1:1"),
            ("listen-peer-urls", "http://127.0.0.1:0"),
        ];
        let has_variable = |flag: &str| {
            let name = super::values::variable(flag);
            line.variables.iter().any(|(other, _)| *other == name)
        };
        for (flag, value) in usual.iter().filter(|_| !line.bare) {
            let is_tried = line.flag.as_ref().is_some_and(|(tried, _)| tried == flag);
            if !(is_tried && has_variable(flag)) {
                command.arg(format!("--{flag}={value}"));
            }
        }
        command.args(&line.arguments);
        let finished = run(Run { command, stdin: Vec::new(), deadline: DEADLINE });
        let finished = finished.unwrap_or_else(|error| panic!("{}: {error:#}", line.show()));
        let text = finished.out() + &finished.err();
        Answer { code: finished.code, said: said(&text) }
    }
}

/// The complaints in what a program writes: the first line of what is no log, else the errors and
/// notices of the log.
pub fn said(text: &str) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for line in text.lines().map(LogLine::parse) {
        if line.level == "none" {
            if said.is_empty() {
                said.push(without_version(&line.message));
            }
            break;
        }
        let is_notice = NOTICES.iter().any(|notice| line.message.contains(notice));
        let is_old_name = line.message.starts_with("--") && line.message.contains("is an old ");
        let is_meaningless = OF_NO_MEANING.iter().any(|start| line.message.starts_with(start));
        if !(line.is_fault() || is_notice) || is_old_name || is_meaningless {
            continue;
        }
        let about = ["variable-name", "variable-value", "environment-variable", "key", "value"];
        let about = about.iter().filter_map(|name| line.fields[*name].as_str());
        let complaint = match line.fields["error"].as_str() {
            Some(error) => error.to_owned(),
            None => [line.message.as_str()].into_iter().chain(about).collect::<Vec<_>>().join(" "),
        };
        if said.last() != Some(&complaint) {
            said.push(complaint);
        }
    }
    said
}

/// `--version` begins with the one thing that has to differ.
fn without_version(line: &str) -> String {
    match line.strip_prefix("etcd Version: ") {
        Some(_) => "etcd Version".to_owned(),
        None => line.to_owned(),
    }
}

impl Answer {
    /// Whether it says that there is no such flag, or no flag of such a variable.
    pub fn is_unknown_flag(&self) -> bool {
        let unknown = ["flag provided but not defined", "unrecognized environment variable"];
        self.said.first().is_some_and(|first| unknown.iter().any(|text| first.starts_with(text)))
    }

    /// The same said of another flag.
    pub fn of_flag(&self, from: &str, to: &str) -> Self {
        let variables = (super::values::variable(from), super::values::variable(to));
        let rename = |text: &String| {
            text.replace(&format!("-{from}"), &format!("-{to}")).replace(&variables.0, &variables.1)
        };
        Self { code: self.code, said: self.said.iter().map(rename).collect() }
    }
}

impl Line {
    /// The same for another flag.
    pub fn of_flag(&self, from: &str, to: &str) -> Self {
        let variables = (super::values::variable(from), super::values::variable(to));
        let argument = |text: &String| text.replacen(&format!("--{from}"), &format!("--{to}"), 1);
        let variable = |(name, value): &(String, String)| {
            let name = if *name == variables.0 { &variables.1 } else { name };
            (name.clone(), value.clone())
        };
        Self {
            arguments: self.arguments.iter().map(argument).collect(),
            variables: self.variables.iter().map(variable).collect(),
            ..self.clone()
        }
    }
}
