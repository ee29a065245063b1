//! The fail points of the running process.
//!
//! Invariant: while somebody holds the guard of [`without_panics`], no point ends the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::terms::{Order, Terms, Value};
use super::{POINTS, Takes};
use crate::rng::RealRng;

/// Why something could not be done with a point, in gofail's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// There is none of that name.
    NoExist,
    /// It is told nothing.
    Disabled,
    /// What it is to be told cannot be read.
    BadParse,
    /// A list of them cannot be read: the part.
    BadList(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoExist => f.write_str("failpoint: failpoint does not exist"),
            Self::Disabled => f.write_str("failpoint: failpoint is disabled"),
            Self::BadParse => f.write_str("failpoint: could not parse terms"),
            Self::BadList(part) => write!(f, "bad failpoint {part:?}"),
        }
    }
}

impl std::error::Error for Failure {}

struct Point {
    /// It is told something: looked at first, as that costs next to nothing.
    armed: AtomicBool,
    terms: Mutex<Option<Terms>>,
    /// Held by whoever carries out a term: one after another, also where they sleep.
    turn: Mutex<()>,
}

static ACTIVE: [Point; POINTS.len()] = [const {
    Point { armed: AtomicBool::new(false), terms: Mutex::new(None), turn: Mutex::new(()) }
}; POINTS.len()];

/// Ends the process; given what to say.
pub type PanicAction = fn(&str);

static ON_PANIC: OnceLock<PanicAction> = OnceLock::new();
static NO_PANICS: Mutex<()> = Mutex::new(());

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(name: &str) -> Result<&'static Point, Failure> {
    let at = POINTS.iter().position(|(known, _)| *known == name).ok_or(Failure::NoExist)?;
    Ok(&ACTIVE[at])
}

/// Tells a point what to do.
///
/// # Errors
/// [`Failure::NoExist`], [`Failure::BadParse`].
pub fn enable(name: &str, terms: &str) -> Result<(), Failure> {
    let point = find(name)?;
    let Some(parsed) = Terms::parse(terms) else {
        println!("failed to enable \"{name}={terms}\" ({})", Failure::BadParse);
        return Err(Failure::BadParse);
    };
    *locked(&point.terms) = Some(parsed);
    point.armed.store(true, Ordering::Release);
    Ok(())
}

/// Reads what several points are told: `name=terms;name=terms`.
///
/// # Errors
/// [`Failure::BadList`] for the first part that cannot be read.
pub fn parse_list(list: &str) -> Result<Vec<(&str, &str)>, Failure> {
    let parts = list.split(';').filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((name, terms)) if !terms.contains('=') => Ok((name, terms)),
            _ => Err(Failure::BadList(part.to_owned())),
        })
        .collect()
}

/// Tells a point to do nothing.
///
/// # Errors
/// [`Failure::NoExist`], [`Failure::Disabled`].
pub fn disable(name: &str) -> Result<(), Failure> {
    let point = find(name)?;
    point.armed.store(false, Ordering::Release);
    locked(&point.terms).take().map(drop).ok_or(Failure::Disabled)
}

/// What a point is told, and how often it has obeyed since.
///
/// # Errors
/// As [`disable`].
pub fn status(name: &str) -> Result<(String, u64), Failure> {
    let terms = locked(&find(name)?.terms);
    let terms = terms.as_ref().ok_or(Failure::Disabled)?;
    Ok((terms.text().to_owned(), terms.count()))
}

/// All points with what they are told, which may be nothing.
#[must_use]
pub fn list() -> Vec<(&'static str, String)> {
    let told = |name: &str| status(name).map_or_else(|_| String::new(), |(text, _)| text);
    POINTS.iter().map(|(name, _)| (*name, told(name))).collect()
}

/// Sets what a `panic` does before it unwinds its thread. For a process whose other threads would
/// live on.
pub fn on_panic(action: PanicAction) {
    // Who comes second wants the same.
    let _ = ON_PANIC.set(action);
}

/// No point ends the process while the guard lives.
pub fn without_panics() -> MutexGuard<'static, ()> {
    locked(&NO_PANICS)
}

/// Called by [`fail_point!`](crate::fail_point): the text of a `return` that fits the point.
///
/// # Panics
/// When that is what the point is told.
#[must_use]
pub fn evaluate(point: usize) -> Option<String> {
    let (name, takes) = POINTS[point];
    let point = &ACTIVE[point];
    if !point.armed.load(Ordering::Acquire) {
        return None;
    }
    let _turn = locked(&point.turn);
    let order = locked(&point.terms).as_mut()?.next(&mut RealRng);
    match order {
        Order::Nothing | Order::Return(Value::None) => {}
        Order::Return(Value::Unit) if takes == Takes::Nothing => return Some(String::new()),
        Order::Return(Value::Text(text)) if takes == Takes::Text => return Some(text),
        Order::Return(value) => {
            println!("failpoint: {name:?} got value {value}, which it cannot take")
        }
        Order::Sleep(length) => std::thread::sleep(length),
        Order::BadSleep(value) => println!("failpoint: ignoring sleep({value}) on {name}"),
        Order::Panic(value) => end(name, &value),
        Order::Break => println!("failpoint: there is no debugger for the break on {name}"),
        Order::Print => println!("failpoint print: {name}"),
    }
    None
}

fn end(name: &str, value: &Value) {
    let text = match value {
        Value::None | Value::Unit => format!("failpoint panic: {name}"),
        value => format!("failpoint panic: {value}"),
    };
    let guard = without_panics();
    if let Some(action) = ON_PANIC.get() {
        action(&text);
    }
    drop(guard);
    panic!("{text}");
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::fail::point;

    fn reach(name: &str) -> Option<String> {
        evaluate(point(name))
    }

    #[test]
    fn a_point_does_what_it_is_told_until_it_is_told_nothing() {
        let name = "walBeforeSync";
        assert_eq!(reach(name), None);
        assert_eq!(disable(name), Err(Failure::Disabled));
        enable(name, "1*return()->sleep(30)").unwrap();
        assert_eq!(status(name), Ok(("1*return()->sleep(30)".to_owned(), 0)));
        assert_eq!(reach(name), Some(String::new()));
        let started = Instant::now();
        assert_eq!(reach(name), None);
        assert!(started.elapsed() >= Duration::from_millis(30));
        assert_eq!(status(name).unwrap().1, 2);
        assert!(list().contains(&(name, "1*return()->sleep(30)".to_owned())));
        enable(name, "panic").unwrap();
        let panicked = catch_unwind(|| reach("walBeforeSync")).unwrap_err();
        assert_eq!(panicked.downcast_ref::<String>().unwrap(), "failpoint panic: walBeforeSync");
        disable(name).unwrap();
        assert_eq!(reach(name), None);
    }

    #[test]
    fn a_return_has_to_fit_its_point() {
        enable("defragdbFail", "return(\"text\")").unwrap();
        assert_eq!(reach("defragdbFail"), Some("text".to_owned()));
        enable("defragdbFail", "return").unwrap();
        assert_eq!(reach("defragdbFail"), None);
        enable("raftDropHeartbeat", "return(\"text\")").unwrap();
        assert_eq!(reach("raftDropHeartbeat"), None);
        disable("defragdbFail").unwrap();
        disable("raftDropHeartbeat").unwrap();
    }

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let read = parse_list(";beforeCommit=off;;afterCommit=1*off;").unwrap();
        assert_eq!(read, [("beforeCommit", "off"), ("afterCommit", "1*off")]);
        let bad = |list| parse_list(list).unwrap_err().to_string();
        assert_eq!(bad("beforeCommit=off;afterCommit"), "bad failpoint \"afterCommit\"");
        assert_eq!(bad("beforeCommit=a=b"), "bad failpoint \"beforeCommit=a=b\"");
        assert_eq!(enable("nobody", "off"), Err(Failure::NoExist));
        assert_eq!(enable("beforeCommit", "what"), Err(Failure::BadParse));
    }
}
