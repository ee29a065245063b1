//! `meta/confState`: who takes part in consensus as of the consistent index, as JSON.
//!
//! The text is what Go's `encoding/json` makes of `raftpb.ConfState` in 3.5 and 3.6: identities
//! are numbers up to 2^64-1, empty lists are left out, `auto_leave` is always there
//! (spec/schema.md 2.2).

use proto::raftpb::ConfState;
use serde::{Deserialize, Serialize};

use super::{Bucket, Malformed};

/// The row's key.
pub const KEY: &[u8] = b"confState";

/// The fields in Go's order. A `null` reads as the field's absence, as in Go.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Json {
    #[serde(skip_serializing_if = "is_empty")]
    voters: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "is_empty")]
    learners: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "is_empty")]
    voters_outgoing: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "is_empty")]
    learners_next: Option<Vec<u64>>,
    auto_leave: Option<bool>,
}

fn is_empty(ids: &Option<Vec<u64>>) -> bool {
    ids.as_ref().is_none_or(Vec::is_empty)
}

/// The stored text.
#[must_use]
pub fn encode(state: &ConfState) -> Vec<u8> {
    let json = Json {
        voters: Some(state.voters.clone()),
        learners: Some(state.learners.clone()),
        voters_outgoing: Some(state.voters_outgoing.clone()),
        learners_next: Some(state.learners_next.clone()),
        auto_leave: Some(state.auto_leave),
    };
    serde_json::to_vec(&json).expect("lists of numbers and a bool have a JSON form")
}

/// Reads the stored text; fields that are not known are passed over.
///
/// # Errors
/// When it is not JSON of that shape.
pub fn decode(value: &[u8]) -> Result<ConfState, Malformed> {
    let malformed = || Malformed::new(Bucket::Meta, KEY, "JSON of a ConfState", value);
    let json: serde_json::Value = serde_json::from_slice(value).map_err(|_| malformed())?;
    if !json.is_object() {
        return Err(malformed());
    }
    let json: Json = serde_json::from_value(json).map_err(|_| malformed())?;
    Ok(ConfState {
        voters: json.voters.unwrap_or_default(),
        learners: json.learners.unwrap_or_default(),
        voters_outgoing: json.voters_outgoing.unwrap_or_default(),
        learners_next: json.learners_next.unwrap_or_default(),
        auto_leave: json.auto_leave.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that Go 1.26 prints for the struct of etcd 3.5's raftpb.
    fn go_texts() -> [(ConfState, &'static str); 4] {
        let one = ConfState { voters: vec![5850024042927095592], ..ConfState::default() };
        let joint = ConfState {
            voters: vec![1, u64::MAX],
            learners: vec![9223372036854775809],
            voters_outgoing: vec![2],
            learners_next: vec![3, 4],
            auto_leave: true,
        };
        let learner = ConfState { voters: vec![1], learners: vec![2], ..ConfState::default() };
        [
            (one, r#"{"voters":[5850024042927095592],"auto_leave":false}"#),
            (
                joint,
                r#"{"voters":[1,18446744073709551615],"learners":[9223372036854775809],"voters_outgoing":[2],"learners_next":[3,4],"auto_leave":true}"#,
            ),
            (learner, r#"{"voters":[1],"learners":[2],"auto_leave":false}"#),
            (ConfState::default(), r#"{"auto_leave":false}"#),
        ]
    }

    #[test]
    fn the_text_is_go_s_and_reads_back() {
        for (state, text) in go_texts() {
            assert_eq!(String::from_utf8(encode(&state)).unwrap(), text);
            assert_eq!(decode(text.as_bytes()).unwrap(), state);
        }
    }

    #[test]
    fn other_writers_texts_are_read() {
        let state = ConfState { voters: vec![7], ..ConfState::default() };
        for text in [
            r#"{"voters":[7]}"#,
            r#"{ "voters" : [ 7 ], "learners": null, "auto_leave": null }"#,
            r#"{"later":{"a":[1.5,"x"]},"voters":[7],"auto_leave":false}"#,
        ] {
            assert_eq!(decode(text.as_bytes()).unwrap(), state, "{text}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        for text in ["", "{", "[]", r#"{"voters":[-1]}"#, r#"{"voters":[18446744073709551616]}"#] {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}
