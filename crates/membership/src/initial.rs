//! The members that a cluster is founded with, and those of a cluster that is joined.
//!
//! Knows no network: names are resolved by a function of the caller's.
//!
//! Invariant: the URLs of each name are sorted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use types::MemberId;

use crate::quote::{quote, quote_list};
use crate::url::split_host_port;
use crate::{Attributes, Member, Url, UrlError, ids};

/// Gives the `address:port` that the host of a URL stands for; the error says why it cannot.
pub type Resolve<'a> = &'a dyn Fn(&Url) -> Result<String, String>;

/// Names and peer URLs of members: the flag `--initial-cluster`. Prints as Go prints it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InitialCluster {
    /// The peer URLs of each name, sorted.
    pub urls: BTreeMap<String, Vec<Url>>,
}

/// Why members cannot be those of a cluster.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InitialError {
    /// Two members would have one identity.
    #[error("member exists with identical ID {0}")]
    SameId(MemberId),
    /// A member would have the identity that stands for none.
    #[error("cannot use 0 as member id")]
    NoId,
    /// This member is not named.
    #[error("couldn't find local name {} in the initial cluster configuration", quote(.0))]
    NotNamed(String),
    /// A URL stands there twice.
    #[error("initial cluster {0} has duplicate url")]
    DuplicateUrl(InitialCluster),
    /// This member advertises other URLs than are named; in Go's words.
    #[error("{0}")]
    Advertised(String),
    /// The cluster that is joined has more or fewer members than are named.
    #[error("member count is unequal")]
    Count,
    /// A member of the cluster that is joined is not named.
    #[error(
        "PeerURLs: no match found for existing member ({id}, {urls}), last resolver error ({reason})"
    )]
    NoMatch {
        /// The member.
        id: MemberId,
        /// Its peer URLs.
        urls: String,
        /// How the last one that it was compared with differs.
        reason: String,
    },
}

impl FromStr for InitialCluster {
    type Err = UrlError;

    /// Reads `name=url,name=url`; a name may stand there several times.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let mut texts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (name, url) = pair.split_once('=').unwrap_or((pair, ""));
            texts.entry(name).or_default().push(url);
        }
        let urls =
            texts.into_iter().map(|(name, urls)| Ok((name.to_owned(), Url::parse_all(&urls)?)));
        Ok(Self { urls: urls.collect::<Result<_, UrlError>>()? })
    }
}

impl fmt::Display for InitialCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self
            .urls
            .iter()
            .flat_map(|(name, urls)| urls.iter().map(move |url| format!("{name}={url}")));
        let mut pairs: Vec<String> = pairs.collect();
        pairs.sort();
        f.write_str(&pairs.join(","))
    }
}

impl InitialCluster {
    fn has_duplicate_url(&self) -> bool {
        let mut seen = BTreeSet::new();
        !self.urls.values().flatten().all(|url| seen.insert(url))
    }

    /// Checks the members of a cluster that this one joins.
    ///
    /// # Errors
    /// [`InitialError::NotNamed`], [`InitialError::DuplicateUrl`].
    pub fn verify_join(&self, name: &str) -> Result<(), InitialError> {
        if !self.urls.contains_key(name) {
            return Err(InitialError::NotNamed(name.to_owned()));
        }
        if self.has_duplicate_url() {
            return Err(InitialError::DuplicateUrl(self.clone()));
        }
        Ok(())
    }

    /// Checks the members with which this one founds a cluster; it has to be named with the URLs
    /// that it advertises.
    ///
    /// # Errors
    /// As [`verify_join`](Self::verify_join), [`InitialError::Advertised`].
    pub fn verify_founding(
        &self,
        name: &str,
        advertised: &[Url],
        resolve: Resolve<'_>,
    ) -> Result<(), InitialError> {
        let listed = self.urls.get(name);
        let listed = listed.ok_or_else(|| InitialError::NotNamed(name.to_owned()))?;
        if let Err(reason) = same_place(&sorted(advertised), listed, resolve) {
            return Err(InitialError::Advertised(mismatch(name, advertised, listed, &reason)));
        }
        self.verify_join(name)
    }

    /// The founding members in the order of their identities: the order in which each of them
    /// writes all of them into its empty log.
    ///
    /// # Errors
    /// [`InitialError::SameId`], [`InitialError::NoId`].
    pub fn members(&self, token: &str) -> Result<Vec<Member>, InitialError> {
        let mut members = BTreeMap::new();
        for (name, urls) in &self.urls {
            let id = ids::founding_member_id(urls, token);
            if id == MemberId(0) {
                return Err(InitialError::NoId);
            }
            let member = Member {
                id,
                peer_urls: urls.iter().map(Url::to_string).collect(),
                is_learner: false,
                attributes: Attributes { name: name.clone(), client_urls: Vec::new() },
            };
            if members.insert(id, member).is_some() {
                return Err(InitialError::SameId(id));
            }
        }
        Ok(members.into_values().collect())
    }
}

/// Gives the members that a joining one was told of the identities that the cluster knows them by.
/// They are matched by their peer URLs, where that is needed after resolving names.
///
/// # Errors
/// [`InitialError::Count`], [`InitialError::NoMatch`].
pub fn assign_ids(
    mut local: Vec<Member>,
    existing: &[Member],
    resolve: Resolve<'_>,
) -> Result<Vec<Member>, InitialError> {
    if local.len() != existing.len() {
        return Err(InitialError::Count);
    }
    let mut existing: Vec<&Member> = existing.iter().collect();
    existing.sort_by_key(|member| member.id);
    local.sort_by_key(|member| member.id);
    for member in existing {
        let mut reason = String::new();
        let found = local.iter_mut().find(|named| {
            let compared = same_texts(&member.peer_urls, &named.peer_urls, resolve);
            compared.map_err(|differs| reason = differs).is_ok()
        });
        match found {
            Some(named) => named.id = member.id,
            None => {
                let urls = format!("[{}]", member.peer_urls.join(" "));
                return Err(InitialError::NoMatch { id: member.id, urls, reason });
            }
        }
    }
    local.sort_by_key(|member| member.id);
    Ok(local)
}

fn same_texts(one: &[String], other: &[String], resolve: Resolve<'_>) -> Result<(), String> {
    let parse = |texts: &[String]| -> Result<Vec<Url>, String> {
        let fault = |text: &String| format!("failed to parse string to URL: {}", quote(text));
        texts.iter().map(|text| text.parse().map_err(|_| fault(text))).collect()
    };
    same_place(&parse(one)?, &parse(other)?, resolve)
}

/// Whether two lists of URLs lead to the same places, as they stand or after resolving names
/// (pkg/netutil).
///
/// # Errors
/// In which way they differ, in Go's words.
pub fn same_place(one: &[Url], other: &[Url], resolve: Resolve<'_>) -> Result<(), String> {
    if one.len() != other.len() {
        return Err(format!("len({}) != len({})", quote_list(one), quote_list(other)));
    }
    if different(&sorted(one), &sorted(other)).is_none() {
        return Ok(());
    }
    let resolved = |urls: &[Url]| -> Result<Vec<Url>, String> {
        urls.iter().map(|url| resolved(url, resolve)).collect()
    };
    let (one, other) = (sorted(&resolved(one)?), sorted(&resolved(other)?));
    match different(&one, &other) {
        None => Ok(()),
        Some((one, other)) => {
            let (one, other) = (quote(&one.to_string()), quote(&other.to_string()));
            Err(format!("resolved urls: {one} != {other}"))
        }
    }
}

/// How the advertised URLs of a member differ from those that are listed, in Go's words.
fn mismatch(name: &str, advertised: &[Url], listed: &[Url], reason: &str) -> String {
    let texts = |urls: &[Url]| urls.iter().map(Url::to_string).collect::<BTreeSet<_>>();
    let (listed, wanted) = (texts(listed), texts(advertised));
    let pairs = |urls: &mut dyn Iterator<Item = &String>| {
        urls.map(|url| format!("{name}={url}")).collect::<Vec<_>>().join(",")
    };
    let all = wanted.iter().cloned().collect::<Vec<_>>().join(",");
    let missing = pairs(&mut listed.difference(&wanted));
    if !missing.is_empty() {
        return format!(
            "--initial-cluster has {missing} but missing from \
             --initial-advertise-peer-urls={all} ({reason})"
        );
    }
    let named = pairs(&mut wanted.iter());
    let missing = wanted.difference(&listed).cloned().collect::<Vec<_>>().join(",");
    if !missing.is_empty() {
        return format!(
            "--initial-advertise-peer-urls has {missing} but missing from \
             --initial-cluster={named}"
        );
    }
    format!("failed to resolve {all} to match --initial-cluster={named} ({reason})")
}

fn different<'a>(one: &'a [Url], other: &'a [Url]) -> Option<(&'a Url, &'a Url)> {
    one.iter().zip(other).find(|(one, other)| !one.is_same_place(other))
}

fn sorted(urls: &[Url]) -> Vec<Url> {
    let mut urls = urls.to_vec();
    urls.sort();
    urls
}

fn resolved(url: &Url, resolve: Resolve<'_>) -> Result<Url, String> {
    let name = split_host_port(url.host()).map(|(name, _)| name);
    if matches!(url.scheme(), "unix" | "unixs") || name == Some("localhost") {
        return Ok(url.clone());
    }
    let fault =
        |reason: String| format!("failed to resolve {} ({reason})", quote(&url.to_string()));
    let address = resolve(url).map_err(fault)?;
    url.with_host(&address).map_err(|error| fault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initial(text: &str) -> InitialCluster {
        text.parse().unwrap()
    }

    fn no_names(url: &Url) -> Result<String, String> {
        Err(format!("no such host {}", url.host()))
    }

    fn names(url: &Url) -> Result<String, String> {
        Ok(url.host().replace("one", "10.0.0.1").replace("two", "10.0.0.2"))
    }

    #[test]
    fn the_flag() {
        let cluster = initial("b=http://b:1,,a=http://a:2,a=http://a:1");
        assert_eq!(cluster.to_string(), "a=http://a:1,a=http://a:2,b=http://b:1");
        assert_eq!(cluster.urls["a"].len(), 2);
        assert!(!cluster.has_duplicate_url());
        assert!(initial("a=http://a:1,b=http://a:1").has_duplicate_url());
        assert_eq!(initial(""), InitialCluster::default());
        assert!("a".parse::<InitialCluster>().is_err());
        assert!("a=http://x".parse::<InitialCluster>().is_err());
    }

    #[test]
    fn founding_members_are_in_the_order_of_their_identities() {
        let cluster = initial(
            "m1=http://127.0.0.1:23312,m2=http://127.0.0.1:23322,m3=http://127.0.0.1:23332",
        );
        let members = cluster.members("golden-traffic").unwrap();
        let json: Vec<String> = members.iter().map(Member::to_json).collect();
        // As in the first three entries of golden/traffic-m1.
        assert_eq!(
            json,
            [
                r#"{"id":3108542225724956729,"peerURLs":["http://127.0.0.1:23332"],"name":"m3"}"#,
                r#"{"id":5383238579395272124,"peerURLs":["http://127.0.0.1:23312"],"name":"m1"}"#,
                r#"{"id":10866181608472499425,"peerURLs":["http://127.0.0.1:23322"],"name":"m2"}"#,
            ]
        );
        let twice = initial("a=http://a:1,b=http://a:1").members("t");
        assert!(matches!(twice, Err(InitialError::SameId(_))));
    }

    fn member(id: u64, peer_urls: &[&str]) -> Member {
        let peer_urls = peer_urls.iter().map(|url| (*url).to_owned()).collect();
        Member { id: MemberId(id), peer_urls, ..Member::default() }
    }

    #[test]
    fn a_joining_member_takes_the_identities_that_the_cluster_has() {
        let local =
            vec![member(1, &["http://one:1", "http://10.0.0.9:1"]), member(2, &["http://[::1]:1"])];
        let existing = [
            member(8, &["http://[0::1]:1"]),
            member(7, &["http://10.0.0.9:1", "http://10.0.0.1:1"]),
        ];
        let assigned = assign_ids(local.clone(), &existing, &names).unwrap();
        let ids: Vec<(u64, &str)> =
            assigned.iter().map(|member| (member.id.0, member.peer_urls[0].as_str())).collect();
        assert_eq!(ids, [(7, "http://one:1"), (8, "http://[::1]:1")]);
        assert_eq!(assign_ids(local.clone(), &existing[..1], &names), Err(InitialError::Count));
        let other = [member(8, &["http://[::1]:1"]), member(7, &["http://10.0.0.3:1"])];
        let error = assign_ids(local, &other, &names).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PeerURLs: no match found for existing member (7, [http://10.0.0.3:1]), last resolver \
             error (resolved urls: \"http://10.0.0.3:1\" != \"http://[::1]:1\")"
        );
    }

    #[test]
    fn a_founder_is_named_with_the_urls_that_it_advertises() {
        let advertised = Url::parse_list("http://10.0.0.1:1,http://10.0.0.1:2").unwrap();
        let check = |cluster: &str| {
            let resolve = |url: &Url| match url.host() {
                "one:1" => Ok("10.0.0.1:1".to_owned()),
                "nobody:1" => Err("no such host".to_owned()),
                other => Ok(other.to_owned()),
            };
            let checked = initial(cluster).verify_founding("a", &advertised, &resolve);
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check("a=http://10.0.0.1:2,b=http://x:1,a=http://10.0.0.1:1"), Ok(()));
        assert_eq!(check("a=http://one:1,a=http://10.0.0.1:2"), Ok(()));
        let fault = |cluster: &str| check(cluster).unwrap_err();
        assert_eq!(
            fault("b=http://10.0.0.1:1"),
            "couldn't find local name \"a\" in the initial cluster configuration"
        );
        assert_eq!(
            fault("a=http://10.0.0.1:1,a=http://10.0.0.1:2,b=http://10.0.0.1:1"),
            "initial cluster a=http://10.0.0.1:1,a=http://10.0.0.1:2,b=http://10.0.0.1:1 has \
             duplicate url"
        );
        assert_eq!(
            fault("a=http://10.0.0.1:1,a=http://10.0.0.9:2"),
            "--initial-cluster has a=http://10.0.0.9:2 but missing from \
             --initial-advertise-peer-urls=http://10.0.0.1:1,http://10.0.0.1:2 (resolved urls: \
             \"http://10.0.0.1:2\" != \"http://10.0.0.9:2\")"
        );
        assert_eq!(
            fault("a=http://10.0.0.1:1"),
            "--initial-advertise-peer-urls has http://10.0.0.1:2 but missing from \
             --initial-cluster=a=http://10.0.0.1:1,a=http://10.0.0.1:2"
        );
        assert!(fault("a=http://nobody:1,a=http://10.0.0.1:2").ends_with("(no such host))"));
    }

    #[test]
    fn names_are_resolved_only_where_texts_differ() {
        let urls = |texts: &[&str]| Url::parse_all(texts).unwrap();
        let (one, two) = (urls(&["http://one:1"]), urls(&["http://two:1"]));
        assert_eq!(same_place(&one, &one, &no_names), Ok(()));
        assert_eq!(
            same_place(&one, &two, &no_names).unwrap_err(),
            "failed to resolve \"http://one:1\" (no such host one:1)"
        );
        assert_eq!(same_place(&one, &urls(&["http://10.0.0.1:1"]), &names), Ok(()));
        assert_eq!(
            same_place(&one, &two, &names).unwrap_err(),
            "resolved urls: \"http://10.0.0.1:1\" != \"http://10.0.0.2:1\""
        );
        let both = urls(&["http://one:1", "http://two:1"]);
        assert_eq!(
            same_place(&one, &both, &names).unwrap_err(),
            "len([\"http://one:1\"]) != len([\"http://one:1\" \"http://two:1\"])"
        );
        let local = urls(&["http://localhost:1"]);
        assert!(same_place(&local, &urls(&["http://127.0.0.1:1"]), &names).is_err());
    }
}
