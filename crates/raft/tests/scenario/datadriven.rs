//! The format of scripts: a command with arguments, maybe input lines, a line `----`, the expected
//! output up to an empty line. Output with empty lines stands between doubled `----`.

/// A part of a script.
pub enum Piece {
    /// Comments and empty lines, as they are.
    Other(String),
    Command(Command),
}

/// A command and what it should print.
pub struct Command {
    /// Counted from 1.
    pub line: usize,
    /// The command with its arguments, as written.
    pub head: String,
    pub name: String,
    pub args: Vec<Arg>,
    pub input: String,
    pub expected: String,
}

/// `key`, `key=value` or `key=(value, value)`.
pub struct Arg {
    pub key: String,
    pub values: Vec<String>,
}

impl Command {
    /// The arguments without values.
    pub fn plain(&self) -> impl Iterator<Item = &str> {
        self.args.iter().filter(|arg| arg.values.is_empty()).map(|arg| arg.key.as_str())
    }

    /// The arguments with values, each value with its key.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.args
            .iter()
            .flat_map(|arg| arg.values.iter().map(move |value| (arg.key.as_str(), value.as_str())))
    }

    /// The value of an argument.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

pub fn parse(text: &str) -> Result<Vec<Piece>, String> {
    let mut lines = text.lines().enumerate().peekable();
    let mut pieces = Vec::new();
    while let Some((number, line)) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            pieces.push(Piece::Other(line.to_owned()));
            continue;
        }
        let mut head = trimmed.to_owned();
        while let Some(start) = head.strip_suffix('\\') {
            let (_, next) = lines.next().ok_or("nothing follows a backslash")?;
            head = format!("{} {}", start.trim_end(), next.trim());
        }
        let mut input = Vec::new();
        loop {
            let (_, line) = lines.next().ok_or(format!("line {}: no ----", number + 1))?;
            if line == "----" {
                break;
            }
            input.push(line);
        }
        let expected = read_expected(&mut lines)?;
        let (name, args) = parse_head(&head)?;
        pieces.push(Piece::Command(Command {
            line: number + 1,
            head,
            name,
            args,
            input: input.join("\n").trim().to_owned(),
            expected,
        }));
    }
    Ok(pieces)
}

fn read_expected<'a>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'a str)>>,
) -> Result<String, String> {
    let mut expected = String::new();
    let doubled = lines.next_if(|(_, line)| *line == "----").is_some();
    let mut pending = false;
    loop {
        let line = match lines.next() {
            Some((_, line)) => line,
            None if doubled => return Err("no end of the output".to_owned()),
            None => return Ok(expected),
        };
        if !doubled && line.trim().is_empty() {
            return Ok(expected);
        }
        if doubled && line == "----" && pending {
            // The empty line behind it belongs to it.
            lines.next_if(|(_, line)| line.trim().is_empty());
            return Ok(expected);
        }
        if pending {
            expected.push_str("----\n");
        }
        pending = doubled && line == "----";
        if !pending {
            expected.push_str(line);
            expected.push('\n');
        }
    }
}

/// The script with the commands' expected outputs as they are now.
pub fn render(pieces: &[Piece]) -> String {
    let mut out = String::new();
    for (position, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Other(line) => out.push_str(&format!("{line}\n")),
            Piece::Command(command) => {
                let last = position + 1 == pieces.len();
                out.push_str(&format!("{}\n", command.head));
                if !command.input.is_empty() {
                    out.push_str(&format!("{}\n", command.input));
                }
                let empty_lines = command.expected.lines().any(|line| line.trim().is_empty());
                let rule = if empty_lines { "----\n----\n" } else { "----\n" };
                out.push_str(&format!("{rule}{}", command.expected));
                out.push_str(if empty_lines { rule } else { "" });
                out.push_str(if last { "" } else { "\n" });
            }
        }
    }
    out
}

fn parse_head(head: &str) -> Result<(String, Vec<Arg>), String> {
    let words = split_words(head);
    let (name, args) = words.split_first().ok_or("an empty command")?;
    let arg = |word: &String| match word.split_once('=') {
        None => Arg { key: word.clone(), values: Vec::new() },
        Some((key, value)) => {
            let list = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
            let values = match list {
                Some(list) => list.split(',').map(|value| value.trim().to_owned()).collect(),
                None => vec![value.to_owned()],
            };
            Arg { key: key.to_owned(), values }
        }
    };
    Ok((name.clone(), args.iter().map(arg).collect()))
}

/// Words between spaces; parentheses keep their content together.
fn split_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut depth) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if c.is_whitespace() && depth == 0 {
            words.push(std::mem::take(&mut word));
        } else {
            word.push(c);
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
