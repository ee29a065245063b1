//! Command lines, run by the real etcd and by the server under test, and what comes of them.

pub mod lines;
mod program;
pub mod starts;
pub mod values;

use std::collections::BTreeSet;

use harness::{Folder, reference};
pub use program::Answer;
use program::Program;

use crate::support::{in_parallel, reference_is_under_test, server_under_test};

/// How many programs run at once.
pub const WIDTH: usize = 4;

const CHANGED: &str = include_str!("../../../testdata/flags-changed-since-3.5.txt");
const OWN: &str = include_str!("../../../testdata/flags-of-our-own.txt");

/// Arguments and variables.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    pub arguments: Vec<String>,
    pub variables: Vec<(String, String)>,
    /// The flag that is tried, if it is a single one, without dashes, and its type.
    pub flag: Option<(String, String)>,
    /// Without the flags that every other line has.
    pub bare: bool,
}

impl Line {
    /// As it is shown and listed: variables first.
    pub fn show(&self) -> String {
        let variables = self.variables.iter().map(|(name, value)| format!("{name}={value}"));
        let parts: Vec<String> = variables.chain(self.arguments.iter().cloned()).collect();
        parts.join(" ").escape_debug().to_string()
    }
}

/// The lines that are known to be answered otherwise.
#[derive(Debug)]
pub struct Lists {
    changed: BTreeSet<&'static str>,
    own: BTreeSet<&'static str>,
}

impl Lists {
    pub fn read() -> Self {
        let read = |text: &'static str| {
            let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            lines.map(|line| line.split_once('\t').expect("`line<tab>reason`").0).collect()
        };
        Self { changed: read(CHANGED), own: read(OWN) }
    }

    fn has(&self, line: &str) -> bool {
        self.changed.contains(line) || self.own.contains(line)
    }
}

/// Runs every line on both and fails for those that differ and are not listed.
pub fn compare(name: &str, lines: Vec<Line>, lists: Lists) {
    let folder = Folder::new(&format!("bad-flags-{name}")).unwrap();
    let real = Program::new(reference().unwrap().program("etcd"), folder.path());
    let tested = Program::new(server_under_test(), folder.path());
    let pairs = in_parallel(&lines, WIDTH, |line| (expected(&real, line), tested.run(line)));
    judge(name, lines.iter().map(Line::show).zip(pairs).collect(), &lists);
}

/// What the real etcd says; where it has no such flag, what it says of another one, as if it were
/// that.
fn expected(real: &Program, line: &Line) -> Answer {
    let answer = real.run(line);
    let Some((flag, kind)) = line.flag.as_ref().filter(|_| answer.is_unknown_flag()) else {
        return answer;
    };
    let old = format!("experimental-{flag}");
    let stand_ins = [old.as_str(), values::of_type(kind)];
    let answers = stand_ins.into_iter().map(|other| {
        let answer = real.run(&line.of_flag(flag, other));
        answer.of_flag(other, flag)
    });
    answers.into_iter().find(|answer| !answer.is_unknown_flag()).unwrap_or(answer)
}

/// Fails if something differs that is not listed, or is listed and does not differ.
fn judge(name: &str, results: Vec<(String, (Answer, Answer))>, lists: &Lists) {
    let count = results.len();
    let (mut different, mut idle, mut listed) = (Vec::new(), Vec::new(), 0);
    for (line, (expected, found)) in results {
        let differs = expected != found;
        match (lists.has(&line), differs) {
            (true, true) => listed += 1,
            (true, false) if !reference_is_under_test() => idle.push(line),
            (false, true) => {
                let text = format!("{line}\n    expected {expected:?}\n    found    {found:?}");
                different.push(text);
            }
            _ => {}
        }
    }
    println!("{name}: {count} command lines compared, {listed} otherwise as listed");
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    assert!(idle.is_empty(), "listed, but equal:\n{}", idle.join("\n"));
}
