//! Rows of any bytes: decoders answer, they never panic, and what they accept they write back.

use backend::{Bucket, schema};
use env::{Rng, SeededRng};
use proto::raftpb::ConfState;

fn bytes(rng: &mut SeededRng) -> Vec<u8> {
    let mut bytes = vec![0; rng.below(24) as usize];
    rng.fill(&mut bytes);
    bytes
}

#[test]
fn decoders_answer_to_any_bytes() {
    for seed in 0..20_000 {
        let mut rng = SeededRng::new(seed);
        let (key, value) = (bytes(&mut rng), bytes(&mut rng));
        if let Ok(alarm) = schema::alarm::decode(&key) {
            assert_eq!(schema::alarm::decode(&schema::alarm::key(&alarm)), Ok(alarm), "{seed}");
        }
        if let Ok(id) = schema::member::decode_key(Bucket::Members, &key) {
            let again = schema::member::key(id);
            assert_eq!(schema::member::decode_key(Bucket::Members, &again), Ok(id), "{seed}");
        }
        let _ = schema::auth::decode_enabled(Some(&value));
        let _ = schema::auth::decode_revision(Some(&value));
        let _ = schema::compact_revision::decode(schema::compact_revision::FINISHED, &value);
        let _ = schema::conf_state::decode(&value);
        let _ = schema::consistent_index::decode(&value);
        let _ = schema::lease::decode(&key, &value);
        let _ = schema::role::decode(&key, &value);
        let _ = schema::storage_version::decode(&value);
        let _ = schema::term::decode(&value);
        let _ = schema::user::decode(&key, &value);
    }
}

#[test]
fn configurations_read_back() {
    for seed in 0..2000 {
        let mut rng = SeededRng::new(seed);
        let mut ids = || (0..rng.below(4)).map(|_| rng.next_u64() >> rng.below(64)).collect();
        let state = ConfState {
            voters: ids(),
            learners: ids(),
            voters_outgoing: ids(),
            learners_next: ids(),
            auto_leave: seed % 2 == 0,
        };
        let text = schema::conf_state::encode(&state);
        assert_eq!(schema::conf_state::decode(&text), Ok(state), "seed {seed}");
        let cut = &text[..rng.below(text.len() as u64) as usize];
        assert!(schema::conf_state::decode(cut).is_err(), "seed {seed}");
    }
}
