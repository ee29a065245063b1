//! Makes the outputs of two servers comparable: what each chooses for itself is replaced by a name
//! that says what it was.
//!
//! Invariants: ids keep their identity (the n-th id to appear in a run is `<id n>` wherever it
//! appears, in hexadecimal or decimal), so that outputs still have to refer to the same things.

use std::collections::BTreeMap;

/// What is masked in one output only, because it is comparable elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mask {
    /// Hashes of contents that include what a server chose.
    Hash,
    /// Remaining times to live.
    Ttl,
    /// Leases of keys in a reply without values: 3.7 leaves them out.
    Lease,
    /// Positions in the log, sizes and versions in the comma-separated lines of `endpoint status`.
    Status,
    /// The order of members: it follows their ids, and those the time of their addition.
    Members,
    /// The order of lines: the client logs from several threads.
    Unordered,
    /// All but the first line of standard error: a crash of the client itself.
    Crash,
}

impl Mask {
    /// The mask with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "hash" => Some(Self::Hash),
            "ttl" => Some(Self::Ttl),
            "lease" => Some(Self::Lease),
            "status" => Some(Self::Status),
            "members" => Some(Self::Members),
            "unordered" => Some(Self::Unordered),
            "crash" => Some(Self::Crash),
            _ => None,
        }
    }
}

/// Columns of tables, fields of JSON objects and of the `fields` format that are always masked:
/// times, sizes, versions, positions in the log.
const ALWAYS: [&str; 13] = [
    "TOOK",
    "VERSION",
    "DB SIZE",
    "DBSIZE",
    "DBSIZEINUSE",
    "RAFT INDEX",
    "RAFTINDEX",
    "RAFT APPLIED INDEX",
    "RAFTAPPLIEDINDEX",
    "TOTAL SIZE",
    "TOTALSIZE",
    "SIZE",
    "TS",
];

/// The counterpart of [`ALWAYS`] for the masks that are asked for.
fn asked_for(mask: Mask) -> &'static [&'static str] {
    match mask {
        Mask::Hash => &["HASH", "TOTAL KEYS", "TOTALKEY", "KEYS"],
        Mask::Ttl => &["TTL"],
        Mask::Lease => &["LEASE"],
        Mask::Status | Mask::Members | Mask::Unordered | Mask::Crash => &[],
    }
}

/// The masks of one run, with the ids that it has seen.
#[derive(Clone, Debug, Default)]
pub struct Masks {
    ids: BTreeMap<u64, usize>,
    /// Texts that differ between runs, with what stands for them.
    texts: Vec<(String, String)>,
}

impl Masks {
    /// Replaces a text, such as a folder's path, wherever it appears.
    pub fn replace(&mut self, text: &str, by: &str) {
        self.texts.push((text.to_owned(), by.to_owned()));
    }

    /// The text with everything masked.
    pub fn apply(&mut self, text: &str, asked: &[Mask]) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.texts {
            text = text.replace(from, to);
        }
        let mut names = ALWAYS.to_vec();
        names.extend(asked.iter().flat_map(|mask| asked_for(*mask)));
        let text = mask_table(&text, &names);
        let text = mask_fields(&text, &names, asked.contains(&Mask::Lease));
        let text = mask_phrases(&text, asked);
        let text = mask_lists(&text, asked);
        let text = mask_times(&text);
        let text = self.mask_encoded_ids(&text);
        let text = self.mask_ids(&text);
        mask_order(&text, asked)
    }

    /// Replaces texts in base64 that hold ids, such as the keys of locks, by what they say.
    fn mask_encoded_ids(&mut self, text: &str) -> String {
        let quoted = text.split('"').enumerate().map(|(position, piece)| {
            let inside = position % 2 == 1 && piece.len() >= 16;
            let plain = inside.then(|| base64(piece)).flatten();
            match plain.filter(|plain| words(plain).iter().any(|(word, _)| id(word).is_some())) {
                Some(plain) => format!("base64({})", self.mask_ids(&plain)),
                None => piece.to_owned(),
            }
        });
        quoted.collect::<Vec<_>>().join("\"")
    }

    /// Replaces 64-bit ids, in hexadecimal (13 to 16 digits) or decimal (16 to 20).
    fn mask_ids(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for (word, is_word) in words(text) {
            if word.starts_with("0xc0") {
                // The client prints the address of one of its own objects.
                out.push_str("<pointer>");
                continue;
            }
            match id(word).filter(|_| is_word) {
                Some(id) => {
                    let next = self.ids.len() + 1;
                    let number = *self.ids.entry(id).or_insert(next);
                    // Hexadecimal ids are padded to sixteen columns.
                    out.truncate(out.trim_end_matches(' ').len() + usize::from(out.ends_with(' ')));
                    out.push_str(&format!("<id {number}>"));
                }
                None => out.push_str(word),
            }
        }
        out
    }
}

/// Masks pieces of comma-separated lines: of `endpoint status`, `endpoint hashkv` and
/// `snapshot status` in the format `simple`.
fn mask_lists(text: &str, asked: &[Mask]) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    for line in &mut lines {
        let mut pieces: Vec<&str> = line.split(", ").collect();
        let hidden: &[usize] = match pieces.len() {
            9.. if asked.contains(&Mask::Status) => &[2, 3, 7, 8],
            4 if asked.contains(&Mask::Hash) => &[0, 2, 3],
            2 if asked.contains(&Mask::Hash) => &[1],
            _ => continue,
        };
        for position in hidden {
            pieces[*position] = "<masked>";
        }
        *line = pieces.join(", ");
    }
    lines.join("\n")
}

/// Puts members, or lines, into an order of their text.
fn mask_order(text: &str, asked: &[Mask]) -> String {
    let mut text = text.to_owned();
    if asked.contains(&Mask::Members) {
        text = text.split('\n').map(sort_members).collect::<Vec<_>>().join("\n");
    }
    if asked.contains(&Mask::Members) || asked.contains(&Mask::Unordered) {
        text = sorted(&text, "\n");
    }
    text
}

/// Sorts the members in a line of JSON, or of the advice that `member add` gives.
fn sort_members(line: &str) -> String {
    if let Some(list) = line.strip_prefix("ETCD_INITIAL_CLUSTER=\"") {
        return format!("ETCD_INITIAL_CLUSTER=\"{}\"", sorted(list.trim_end_matches('"'), ","));
    }
    let Some((head, list)) = line.split_once("\"members\":[{") else {
        return line.to_owned();
    };
    let (list, tail) = list.split_once("}]").unwrap_or((list, ""));
    format!("{head}\"members\":[{{{}}}]{tail}", sorted(list, "},{"))
}

fn sorted(text: &str, separator: &str) -> String {
    let mut pieces: Vec<&str> = text.split(separator).collect();
    pieces.sort_unstable();
    pieces.join(separator)
}

/// Masks times such as `2026-11-24T02:50:18.779112Z`.
fn mask_times(text: &str) -> String {
    let shape = b"0000-00-00T00:00:00";
    let is_time = |bytes: &[u8]| {
        bytes.len() > shape.len()
            && shape.iter().zip(bytes).all(|(shape, byte)| match shape {
                b'0' => byte.is_ascii_digit(),
                other => other == byte,
            })
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if is_time(rest.as_bytes()) {
            let after = &rest[shape.len()..];
            let fraction = |c: char| !c.is_ascii_digit() && !matches!(c, '.' | 'Z' | '+' | '-');
            rest = &after[after.find(fraction).unwrap_or(after.len())..];
            out.push_str("<time>");
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The text in alternating pieces of ASCII letters and digits, and of everything else.
fn words(text: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_ascii_alphanumeric();
        let end = rest.find(|c: char| c.is_ascii_alphanumeric() != is_word).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push((piece, is_word));
        rest = after;
    }
    pieces
}

fn id(word: &str) -> Option<u64> {
    let lower_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    // Decimals are looked at first: sixteen digits are hardly ever all decimal by chance.
    if word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word.parse().ok();
    }
    let long = (13..=16).contains(&word.len()) && word.chars().all(lower_hex);
    (long && word.contains(|c: char| c.is_ascii_digit()))
        .then(|| u64::from_str_radix(word, 16).ok())
        .flatten()
}

/// Text that is encoded in base64; `None` for what is not, or is not printable.
fn base64(text: &str) -> Option<String> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count) = (0_u32, 0);
    let mut bytes = Vec::new();
    for character in text.trim_end_matches('=').bytes() {
        let digit = digits.iter().position(|digit| *digit == character)?;
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// Masks columns of tables and makes widths comparable.
fn mask_table(text: &str, names: &[&str]) -> String {
    let mut masked: Vec<bool> = Vec::new();
    let mut in_table = false;
    let lines = text.split('\n').map(|line| {
        if line.starts_with("+-") {
            return "+".to_owned();
        }
        if !line.starts_with('|') {
            in_table = false;
            return line.to_owned();
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !in_table {
            in_table = true;
            masked = cells.iter().map(|cell| names.contains(cell)).collect();
            return format!("| {} |", cells.join(" | "));
        }
        let cells = cells.iter().enumerate().map(|(column, cell)| {
            let hidden = masked.get(column).copied().unwrap_or(false) && !cell.is_empty();
            if hidden { "<masked>" } else { *cell }
        });
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Masks values behind names: `"name":value` of JSON, `"Name" : value` of the `fields` format.
fn mask_fields(text: &str, names: &[&str], drop_lease: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (before, after) = rest.split_at(start);
        out.push_str(before);
        let Some((name, value)) = field(after) else {
            out.push('"');
            rest = &after[1..];
            continue;
        };
        let upper = name.to_ascii_uppercase();
        // A key's version is a number and stays; a server's is a text.
        let counts = upper == "VERSION" && !value.starts_with('"');
        let head = &after[..after.len() - value.len()];
        if upper == "LEASE" && drop_lease && head.ends_with("\":") {
            // JSON: a missing field and a masked one have to look the same.
            let length = value_length(value);
            out.truncate(out.trim_end_matches(',').len());
            rest = &value[length..];
        } else if names.contains(&upper.as_str()) && !counts {
            out.push_str(head);
            out.push_str("<masked>");
            rest = &value[value_length(value)..];
        } else {
            out.push_str(head);
            rest = value;
        }
    }
    out.push_str(rest);
    out
}

/// The name and everything behind the colon, where a text starts with a quoted name and a colon.
fn field(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('"')?.split_once('"')?;
    let rest = rest.strip_prefix(':').or_else(|| rest.strip_prefix(" : "))?;
    Some((name, rest))
}

/// How long a quoted text, a number or a word is.
fn value_length(text: &str) -> usize {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.find('"').map_or(text.len(), |end| end + 2),
        None => text.find([',', '}', ']', '\n', ' ']).unwrap_or(text.len()),
    }
}

/// Masks what stands behind certain words in sentences.
fn mask_phrases(text: &str, asked: &[Mask]) -> String {
    let mut phrases = vec![("took = ", [':', '\n'])];
    phrases.push(("Took ", ['.', '\n']));
    if asked.contains(&Mask::Ttl) {
        phrases.push(("remaining(", [')', '\n']));
    }
    let mut text = text.to_owned();
    for (phrase, ends) in phrases {
        let mut out = String::with_capacity(text.len());
        let mut pieces = text.split(phrase);
        out.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let end = piece.find(ends).unwrap_or(piece.len());
            out.push_str(phrase);
            out.push_str("<masked>");
            out.push_str(&piece[end..]);
        }
        text = out;
    }
    text
}

#[cfg(test)]
#[path = "mask_test.rs"]
mod tests;
