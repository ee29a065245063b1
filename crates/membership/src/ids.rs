//! How members and clusters are named (spec/peer.md 5.9).

use env::WallTime;
use sha1::{Digest, Sha1};
use types::{ClusterId, MemberId};

use crate::{Member, Url};

/// The identity of a member that the cluster is founded with.
#[must_use]
pub fn founding_member_id(peer_urls: &[Url], token: &str) -> MemberId {
    member_id(peer_urls, token)
}

/// The identity of a member that is added at a time.
#[must_use]
pub fn added_member_id(peer_urls: &[Url], now: WallTime) -> MemberId {
    member_id(peer_urls, &now.unix_seconds().to_string())
}

fn member_id(peer_urls: &[Url], suffix: &str) -> MemberId {
    let mut texts: Vec<String> = peer_urls.iter().map(Url::to_string).collect();
    texts.sort();
    MemberId(first_bytes(Sha1::new().chain_update(texts.concat()).chain_update(suffix)))
}

/// The identity of the cluster that these members found.
#[must_use]
pub fn cluster_id(members: &[Member]) -> ClusterId {
    let mut ids: Vec<u64> = members.iter().map(|member| member.id.0).collect();
    ids.sort_unstable();
    let digest = ids.iter().fold(Sha1::new(), |digest, id| digest.chain_update(id.to_be_bytes()));
    ClusterId(first_bytes(digest))
}

fn first_bytes(digest: Sha1) -> u64 {
    let digest = digest.finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Reads an identity as it is printed: hexadecimal, in either case, no longer than 64 bits.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(texts: &[&str]) -> Vec<Url> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_real_etcd_s_identities() {
        // golden/traffic-m1: three members found a cluster, and its WAL holds these numbers.
        let member = |port| {
            let url = format!("http://127.0.0.1:{port}");
            founding_member_id(&urls(&[&url]), "golden-traffic")
        };
        let ids = [23312, 23322, 23332].map(member);
        let expected = [0x4ab5_1af7_6208_9dbc, 0x96cc_6e99_f5e2_d4e1, 0x2b23_c2af_3da3_6039];
        assert_eq!(ids, expected.map(MemberId));
        let members = ids.map(|id| Member { id, ..Member::default() });
        assert_eq!(cluster_id(&members), ClusterId(0xd8bb_c09f_40c3_9333));
    }

    #[test]
    fn urls_count_in_any_order_and_an_added_member_s_time_counts() {
        let one = urls(&["http://b:1", "http://a:1"]);
        let two = urls(&["http://a:1", "http://b:1"]);
        assert_eq!(founding_member_id(&one, "t"), founding_member_id(&two, "t"));
        let at = |seconds: u64| added_member_id(&one, WallTime(seconds * 1_000_000_000 + 5));
        assert_ne!(at(1), at(2));
        // No time stands between URLs and seconds, so a founding token can spell it.
        assert_eq!(at(1), founding_member_id(&one, "1"));
    }

    #[test]
    fn identities_read_back() {
        assert_eq!(parse("b8542dd57c78f06"), Some(0x0b85_42dd_57c7_8f06));
        assert_eq!(parse("FFffFFffFFffFFff"), Some(u64::MAX));
        assert_eq!(parse("000000000000000001"), Some(1));
        for text in ["", "+1", "-1", "0x1", "1ffffffffffffffff", "g", " 1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
