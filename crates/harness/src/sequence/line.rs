//! How a line of a sequence is written.

use crate::mask::Mask;
use anyhow::{Context, Result, bail, ensure};

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// As written.
    pub text: String,
    /// What it asks for.
    pub action: Action,
}

/// What a line asks for.
#[derive(Clone, Debug)]
pub enum Action {
    /// To run a command, and others while it runs.
    Run(Command),
    /// To end the server with SIGTERM and start it again with these flags.
    Restart(Vec<String>),
    /// To end the server with SIGKILL and start it again.
    Kill,
}

/// A command of `etcdctl`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// As written.
    pub text: String,
    /// The arguments; bytes, since keys need not be text.
    pub words: Vec<Vec<u8>>,
    /// Its environment.
    pub variables: Vec<(String, String)>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Where the first id of its output is kept.
    pub save: Option<String>,
    /// How its output is masked beyond what always is.
    pub masks: Vec<Mask>,
    /// After how many lines of output it is interrupted; `None` for one that ends.
    pub lines: Option<usize>,
    /// After how many lines of output the commands beside it begin.
    pub after: usize,
    /// What runs beside it, in order.
    pub beside: Vec<Command>,
}

impl Line {
    /// Reads a line that is neither empty nor a comment.
    pub fn parse(number: usize, text: &str) -> Result<Self> {
        let action = match text {
            _ if text.starts_with("!restart") => {
                Action::Restart(text.split(' ').skip(1).map(str::to_owned).collect())
            }
            "!kill" => Action::Kill,
            _ if text.starts_with('!') => bail!("no such action"),
            _ => Action::Run(Command::parse(text)?),
        };
        Ok(Self { number, text: text.to_owned(), action })
    }

    /// How many commands it runs.
    pub fn command_count(&self) -> usize {
        match &self.action {
            Action::Run(command) => 1 + command.beside.len(),
            Action::Restart(_) | Action::Kill => 0,
        }
    }
}

impl Command {
    fn parse(text: &str) -> Result<Self> {
        let mut commands = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut command = Self::default();
            if let Some(inside) = rest.strip_prefix('[') {
                let (settings, after) = inside.split_once(']').context("`[` is not closed")?;
                for setting in settings.split(' ') {
                    command.set(setting)?;
                }
                rest = after.trim_start();
            }
            rest = command.take(rest)?;
            commands.push(command);
        }
        let mut commands = commands.into_iter();
        let mut first = commands.next().context("there is a command")?;
        first.beside = commands.collect();
        ensure!(first.lines.is_some() || first.beside.is_empty(), "`|` needs lines=");
        Ok(first)
    }

    fn set(&mut self, setting: &str) -> Result<()> {
        let (name, value) = setting.split_once('=').context("a setting is name=value")?;
        match name {
            "save" => self.save = Some(value.to_owned()),
            "lines" => self.lines = Some(value.parse().context("lines=N")?),
            "after" => self.after = value.parse().context("after=N")?,
            "mask" => {
                let masks = value.split(',').map(|name| Mask::named(name).context("no such mask"));
                self.masks = masks.collect::<Result<_>>()?;
            }
            _ => bail!("no such setting: {name}"),
        }
        Ok(())
    }

    /// Takes words up to the next `|`; returns what is behind it.
    fn take<'a>(&mut self, text: &'a str) -> Result<&'a str> {
        let mut rest = text;
        let mut end = text.len();
        let mut behind = "";
        while let Some((token, after)) = token(rest)? {
            match token {
                Token::Pipe => {
                    end = text.len() - rest.trim_start().len();
                    behind = after.trim_start();
                    break;
                }
                Token::Input => match self::token(after)? {
                    Some((Token::Word { bytes, .. }, after)) => {
                        self.stdin = bytes;
                        rest = after;
                    }
                    _ => bail!("`<` is followed by a text"),
                },
                Token::Word { bytes, plain } => {
                    self.word(bytes, plain);
                    rest = after;
                }
            }
        }
        text[..end].trim_end().clone_into(&mut self.text);
        ensure!(!self.words.is_empty(), "a command has words");
        Ok(behind)
    }

    fn word(&mut self, bytes: Vec<u8>, plain: bool) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_name = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_uppercase())
                && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        match text.split_once('=') {
            Some((name, value)) if plain && self.words.is_empty() && is_name(name) => {
                self.variables.push((name.to_owned(), value.to_owned()));
            }
            _ => self.words.push(bytes),
        }
    }
}

enum Token {
    Word {
        bytes: Vec<u8>,
        /// Begins without a quote.
        plain: bool,
    },
    /// `<`
    Input,
    /// `|`
    Pipe,
}

/// The first token of a line, and what follows.
fn token(line: &str) -> Result<Option<(Token, &str)>> {
    let rest = line.trim_start();
    let Some(first) = rest.chars().next() else {
        return Ok(None);
    };
    let after = &rest[first.len_utf8()..];
    let alone = after.is_empty() || after.starts_with(' ');
    if alone && first == '|' {
        return Ok(Some((Token::Pipe, after)));
    }
    if alone && first == '<' {
        return Ok(Some((Token::Input, after)));
    }
    let plain = first != '"' && first != '\'';
    let (bytes, after) = word(rest)?;
    Ok(Some((Token::Word { bytes, plain }, after)))
}

/// One word, maybe of several quoted and unquoted parts, and what follows.
fn word(mut rest: &str) -> Result<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    while let Some(first) = rest.chars().next().filter(|first| *first != ' ') {
        let after = &rest[first.len_utf8()..];
        rest = match first {
            '\'' => {
                let (inside, after) = after.split_once('\'').context("`'` is not closed")?;
                bytes.extend_from_slice(inside.as_bytes());
                after
            }
            '"' => quoted(after, &mut bytes)?,
            other => {
                bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                after
            }
        };
    }
    Ok((bytes, rest))
}

fn quoted<'a>(mut rest: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str> {
    loop {
        let first = rest.chars().next().context("`\"` is not closed")?;
        rest = &rest[first.len_utf8()..];
        match first {
            '"' => return Ok(rest),
            '\\' => {
                let escaped = rest.chars().next().context("`\\` is followed by something")?;
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    'n' => bytes.push(b'\n'),
                    't' => bytes.push(b'\t'),
                    'x' => {
                        let digits = rest.get(..2).context("`\\x` is followed by two digits")?;
                        bytes.push(u8::from_str_radix(digits, 16).context("`\\x` and digits")?);
                        rest = &rest[2..];
                    }
                    other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        command.words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    #[test]
    fn words_are_a_shells() {
        let text = r#"ETCDCTL_HEX=true --a=b put "a \n\x41" 'b "c"' d"e f" x=y < "in\n""#;
        let command = Command::parse(text).unwrap();
        assert_eq!(words(&command), ["--a=b", "put", "a \nA", "b \"c\"", "de f", "x=y"]);
        assert_eq!(command.variables, [("ETCDCTL_HEX".to_owned(), "true".to_owned())]);
        assert_eq!((command.stdin.as_slice(), command.text.as_str()), (&b"in\n"[..], text));
    }

    #[test]
    fn settings_and_commands_beside() {
        let text =
            "[lines=2 after=1 mask=hash,ttl save=L] watch a '|' | put a \"| b\" | [lines=3] del a";
        let command = Command::parse(text).unwrap();
        assert_eq!(words(&command), ["watch", "a", "|"]);
        assert_eq!((command.lines, command.after), (Some(2), 1));
        assert_eq!(command.masks, [Mask::Hash, Mask::Ttl]);
        assert_eq!((command.save.as_deref(), command.text.as_str()), (Some("L"), "watch a '|'"));
        let beside: Vec<_> = command.beside.iter().map(|beside| beside.text.as_str()).collect();
        assert_eq!(beside, ["put a \"| b\"", "del a"]);
        assert_eq!(words(&command.beside[0]), ["put", "a", "| b"]);
        assert_eq!(command.beside[1].lines, Some(3));
    }

    #[test]
    fn faults_are_found() {
        for text in ["put \"a", "put 'a", "[lines=x] a", "[a] b", "a | b", "[mask=x] a", "a <"] {
            assert!(Command::parse(text).is_err(), "{text}");
        }
    }
}
