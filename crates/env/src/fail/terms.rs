//! What a fail point is told to do, in gofail's language (v0.2.0).
//!
//! ```text
//! terms  = term *("->" term)
//! term   = *(float "%" | int "*") action ["(" value ")"]
//! action = "off" | "return" | "sleep" | "panic" | "break" | "print"
//! value  = a quoted text | int | "true" | "false" | nothing
//! ```
//! Each time the point is reached, the first term that its modifiers let through is carried out. A
//! percentage lets through at random and needs a decimal point (`50.0%`); a number so many times.
//!
//! Knows nothing of points or processes: what it means to sleep is the caller's affair.

use std::time::Duration;

use super::duration;
use crate::rng::Rng;

/// What is to be done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Nothing,
    Return(Value),
    Sleep(Duration),
    /// A length that is none was asked for.
    BadSleep(Value),
    Panic(Value),
    Break,
    Print,
}

/// What stands in the parentheses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// It cannot be read, or other terms follow at once.
    None,
    Unit,
    Text(String),
    Int(i64),
    Bool(bool),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("<nil>"),
            Self::Unit => f.write_str("{}"),
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Bool(flag) => flag.fmt(f),
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Modifier {
    Times(u64),
    /// Between 0 and 1.
    Chance(f64),
}

impl Modifier {
    fn allows(&mut self, rng: &mut dyn Rng) -> bool {
        match self {
            Self::Times(0) => false,
            Self::Times(left) => {
                *left -= 1;
                true
            }
            Self::Chance(chance) => {
                // 53 bits are what a double holds.
                let drawn = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                drawn <= *chance
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Off,
    Return,
    Sleep,
    Panic,
    Break,
    Print,
}

const ACTIONS: [(&str, Action); 6] = [
    ("off", Action::Off),
    ("return", Action::Return),
    ("sleep", Action::Sleep),
    ("panic", Action::Panic),
    ("break", Action::Break),
    ("print", Action::Print),
];

#[derive(Clone, PartialEq, Debug)]
struct Term {
    modifiers: Vec<Modifier>,
    action: Action,
    value: Value,
}

/// What a point was told, and how often it has obeyed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Terms {
    chain: Vec<Term>,
    text: String,
    count: u64,
}

impl Terms {
    /// Reads terms; `None` when they are wrong.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut chain = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (term, after) = parse_term(rest)?;
            chain.push(term);
            rest = after;
            if !rest.is_empty() {
                rest = rest.strip_prefix("->")?;
            }
        }
        (!chain.is_empty()).then(|| Self { chain, text: text.to_owned(), count: 0 })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How often a term was carried out.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The point is reached.
    pub(crate) fn next(&mut self, rng: &mut dyn Rng) -> Order {
        for term in &mut self.chain {
            if term.modifiers.iter_mut().all(|modifier| modifier.allows(rng)) {
                self.count += 1;
                return term.order();
            }
        }
        Order::Nothing
    }
}

impl Term {
    fn order(&self) -> Order {
        let value = self.value.clone();
        match self.action {
            Action::Off => Order::Nothing,
            Action::Return => Order::Return(value),
            Action::Panic => Order::Panic(value),
            Action::Break => Order::Break,
            Action::Print => Order::Print,
            Action::Sleep => {
                let length = match &value {
                    Value::Int(millis) => {
                        Some(Duration::from_millis(u64::try_from(*millis).unwrap_or(0)))
                    }
                    Value::Text(text) => duration::parse(text),
                    Value::None | Value::Unit | Value::Bool(_) => None,
                };
                length.map_or(Order::BadSleep(value), Order::Sleep)
            }
        }
    }
}

fn parse_term(text: &str) -> Option<(Term, &str)> {
    let (modifiers, rest) = parse_modifiers(text)?;
    let (name, action) = ACTIONS.iter().find(|(name, _)| rest.starts_with(name))?;
    let (value, rest) = parse_value(&rest[name.len()..])?;
    Some((Term { modifiers, action: *action, value }, rest))
}

fn parse_modifiers(text: &str) -> Option<(Vec<Modifier>, &str)> {
    let mut modifiers = Vec::new();
    let mut rest = text;
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(end);
        let modifier = if number.contains('.') {
            rest = after.strip_prefix('%')?;
            Modifier::Chance(number.parse::<f64>().ok()? / 100.0)
        } else {
            rest = after.strip_prefix('*')?;
            Modifier::Times(number.parse().ok()?)
        };
        modifiers.push(modifier);
    }
    Some((modifiers, rest))
}

/// A value in parentheses, or none; `None` for one that is not closed or of no kind.
fn parse_value(text: &str) -> Option<(Value, &str)> {
    if text.is_empty() {
        return Some((Value::Unit, text));
    }
    let Some(inner) = text.strip_prefix('(') else { return Some((Value::None, text)) };
    if let Some(quoted) = inner.strip_prefix('"') {
        let (content, rest) = parse_quoted(quoted)?;
        return Some((Value::Text(content), rest.strip_prefix(')')?));
    }
    let (content, rest) = inner.split_once(')')?;
    let value = match content {
        "" => Value::Unit,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        number => Value::Int(number.parse().ok()?),
    };
    Some((value, rest))
}

/// The text up to the closing quote, and what is behind that.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((content, &text[at + 1..])),
            (_, '\\') => content.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                escaped @ ('"' | '\\') => escaped,
                _ => return None,
            }),
            (_, character) => content.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    fn orders(text: &str, count: usize) -> Vec<Order> {
        let mut terms = Terms::parse(text).unwrap();
        let mut rng = SeededRng::new(1);
        (0..count).map(|_| terms.next(&mut rng)).collect()
    }

    #[test]
    fn a_term_is_carried_out_each_time() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("off", Order::Nothing),
            ("return", Order::Return(Value::Unit)),
            ("return()", Order::Return(Value::Unit)),
            (r#"return("a \"b\"")"#, Order::Return(text("a \"b\""))),
            ("return(-5)", Order::Return(Value::Int(-5))),
            ("return(true)", Order::Return(Value::Bool(true))),
            ("sleep(20)", Order::Sleep(Duration::from_millis(20))),
            (r#"sleep("1.5s")"#, Order::Sleep(Duration::from_millis(1500))),
            (r#"sleep("soon")"#, Order::BadSleep(text("soon"))),
            ("sleep", Order::BadSleep(Value::Unit)),
            ("panic", Order::Panic(Value::Unit)),
            (r#"panic("why")"#, Order::Panic(text("why"))),
            ("break", Order::Break),
            ("print", Order::Print),
        ];
        for (text, order) in cases {
            assert_eq!(orders(text, 2), [order.clone(), order], "{text}");
        }
    }

    #[test]
    fn a_number_lets_through_so_often_and_then_comes_the_next_term() {
        let values: Vec<String> = orders(r#"2*return("a")->1*off->return("b")"#, 5)
            .into_iter()
            .map(|order| match order {
                Order::Return(value) => value.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(values, ["a", "a", "Nothing", "b", "b"]);
        let mut terms = Terms::parse("1*return->1*off").unwrap();
        (0..5).for_each(|_| drop(terms.next(&mut SeededRng::new(1))));
        assert_eq!(terms.count(), 2, "only what was carried out counts");
    }

    #[test]
    fn a_percentage_lets_through_as_often() {
        let of = |text| orders(text, 2000).iter().filter(|order| **order != Order::Nothing).count();
        assert!((400..600).contains(&of("25.0%return")));
        assert_eq!(of("0.0%return"), 0);
        assert_eq!(of("100.0%return"), 2000);
        assert_eq!(of("50.0%10*return"), 10, "both have to let through");
        assert!(of("10*50.0%return") < 10, "the first is asked first");
    }

    #[test]
    fn wrong_terms_are_refused() {
        for text in [
            "",
            "x",
            "5%return",
            "5.0*return",
            "5",
            "5*",
            "return(",
            "return(x)",
            "return(\"a)",
            "off-",
            "off->x",
            "return()off",
            "(1)",
        ] {
            assert_eq!(Terms::parse(text), None, "{text}");
        }
        assert!(Terms::parse("off->").is_some());
    }
}
