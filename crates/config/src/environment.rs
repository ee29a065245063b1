//! `ETCD_*` variables: each sets the flag of its name, where no argument does.

use crate::Error;
use crate::flag::FlagSet;
use crate::notice::Notice;
use crate::quote::quote;
use std::collections::BTreeSet;

const PREFIX: &str = "ETCD_";

/// Sets flags from variables, in the order of the flags' names, and says what it did.
///
/// # Errors
/// A value that is not of the flag's type (of several, the last), or a variable whose flag is set
/// by an argument.
pub fn apply(
    flags: &mut FlagSet,
    variables: &[(String, String)],
) -> Result<Vec<Notice>, (Vec<Notice>, Error)> {
    let mut notices = Vec::new();
    let given: BTreeSet<String> = flags.set_flags().map(|flag| flag.variable()).collect();
    let mut used = BTreeSet::new();
    let mut fault = None;
    let all: Vec<_> = flags.flags().collect();
    for flag in all {
        let name = flag.variable();
        if given.contains(&name) {
            continue;
        }
        let Some(value) = value(variables, &name).filter(|value| !value.is_empty()) else {
            continue;
        };
        if flag.name == "version" {
            notices.push(Notice::SpecialVariable { value: value.to_owned() });
            used.insert(name);
            continue;
        }
        match flags.set(flag.name, value) {
            Ok(()) => {
                notices.push(Notice::VariableUsed { name: name.clone(), value: value.to_owned() })
            }
            Err(error) => {
                let text = format!("invalid value {} for {name}: {error}", quote(value));
                fault = Some(Error::Invalid(text));
            }
        }
        used.insert(name);
    }
    for (name, value) in variables.iter().filter(|(name, _)| !used.contains(name)) {
        if given.contains(name) {
            return Err((notices, Error::ConflictingVariable { name: name.clone() }));
        }
        if name.starts_with(PREFIX) {
            notices.push(Notice::VariableUnknown { variable: format!("{name}={value}") });
        }
    }
    match fault {
        Some(fault) => Err((notices, fault)),
        None => Ok(notices),
    }
}

/// The value of a variable; of several with one name the first, as in Go.
pub fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}
