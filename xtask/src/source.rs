//! Just enough understanding of Rust's syntax to measure it: text without comments and literals,
//! where functions begin and end, where tests begin.
//!
//! Invariant: [`blank`] keeps every line in its place, so that positions stay line numbers.

/// A function in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    /// From the line of `fn` to that of the closing brace.
    pub lines: usize,
}

/// The text with comments, strings and characters replaced by spaces.
pub fn blank(text: &str) -> String {
    let mut scanner = Scanner { rest: text, out: String::with_capacity(text.len()) };
    while let Some(next) = scanner.rest.chars().next() {
        scanner.step(next);
    }
    scanner.out
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
}

impl Scanner<'_> {
    fn step(&mut self, next: char) {
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.hide(end);
        } else if self.rest.starts_with("/*") {
            self.hide(block_comment(self.rest));
        } else if let Some(length) = self.raw_string() {
            self.hide(length);
        } else if next == '"' {
            self.hide(string(self.rest));
        } else if let Some(length) = character(self.rest) {
            self.hide(length);
        } else {
            self.out.push(next);
            self.rest = &self.rest[next.len_utf8()..];
        }
    }

    fn hide(&mut self, length: usize) {
        let (hidden, rest) = self.rest.split_at(length);
        self.out.extend(hidden.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }

    /// The length of a raw string that starts here: `r"..."`, `br#"..."#`.
    fn raw_string(&self) -> Option<usize> {
        let inside_word = self.out.chars().next_back().is_some_and(is_word);
        let prefix = if self.rest.starts_with("br") || self.rest.starts_with("cr") { 2 } else { 1 };
        if inside_word || !self.rest[..prefix.min(self.rest.len())].ends_with('r') {
            return None;
        }
        let after = &self.rest[prefix..];
        let hashes = after.len() - after.trim_start_matches('#').len();
        let body = after[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let closing = body.find(&end).map_or(body.len(), |position| position + end.len());
        Some(prefix + hashes + 1 + closing)
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while position < text.len() {
        let rest = &text[position..];
        if rest.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (position, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return position + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal that starts here; `None` for lifetimes and everything else.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    if first == '\\' {
        let after = 1 + inner[1..].chars().next()?.len_utf8();
        let closing = inner[after..].find('\'')?;
        return Some(1 + after + closing + 1);
    }
    inner[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8() + 2)
}

/// The functions with a body in a text that [`blank`] made.
pub fn functions(blanked: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(position) = blanked[from..].find("fn ").map(|at| at + from) {
        from = position + 3;
        if blanked[..position].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let name: String = blanked[from..].chars().take_while(|c| is_word(*c)).collect();
        // `fn (` and `fn(`: a type, not a function.
        let Some(end) = (!name.is_empty()).then(|| body_end(&blanked[from..])).flatten() else {
            continue;
        };
        let lines = 1 + newlines(&blanked[position..from + end]);
        found.push(Function { name, line: 1 + newlines(&blanked[..position]), lines });
    }
    found
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Where the body ends that follows a signature; `None` where a `;` ends it.
fn body_end(signature: &str) -> Option<usize> {
    let mut nested = 0_i32;
    let mut braces = 0_i32;
    for (position, character) in signature.char_indices() {
        match character {
            '(' | '[' if braces == 0 => nested += 1,
            ')' | ']' if braces == 0 => nested -= 1,
            ';' if nested == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && nested == 0 {
                    return Some(position);
                }
            }
            _ => {}
        }
    }
    None
}

/// How many lines come before the module of tests: all of them where there is none.
pub fn production_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let starts = |position: &usize| {
        let item = lines[*position..].iter().find(|line| !line.starts_with("#["));
        lines[*position] == "#[cfg(test)]" && item.is_some_and(|item| item.contains("mod "))
    };
    (0..lines.len()).find(starts).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_vanish_and_lines_stay() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ \n d */ e", "a              \n      e"),
            ("x(\"a\\\"b\") y", "x(      ) y"),
            ("r#\"a\"b\"# z", "         z"),
            ("br\"ab\" z", "       z"),
            ("var\"s\" z", "var    z"),
            ("'a' 'b: '\\'' '\\u{1}' &'a x", "    'b:              &'a x"),
            ("'\"' + 'é'", "    +    "),
        ];
        for (text, expected) in cases {
            assert_eq!(blank(text), expected, "{text}");
        }
    }

    #[test]
    fn functions_are_measured() {
        let text = "fn a() {}\npub(crate) fn b<T>(x: [u8; 3]) -> T\nwhere T: X {\n if y { 1 }\n}\n\
                    trait T { fn c(&self); fn d(&self) { { } } }\nlet f: fn (u8) = a;\n";
        let names: Vec<_> =
            functions(text).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        let expected = [("a", 1, 1), ("b", 2, 4), ("d", 6, 1)];
        assert_eq!(names, expected.map(|(name, line, lines)| (name.to_owned(), line, lines)));
    }

    #[test]
    fn tests_are_not_production() {
        let file =
            "//! x\n#[cfg(test)]\nuse a;\nfn f() {}\n#[cfg(test)]\n#[path = \"x\"]\nmod tests;\n";
        assert_eq!(production_lines(file), 4);
        assert_eq!(production_lines("a\nb\n"), 2);
    }
}
