//! Who belongs to the cluster at its start (client/pkg/types/urlsmap.go, server/config/config.go).

use crate::Error;
use crate::config::Config;
use crate::quote::quote;
use crate::url::{Scheme, Url};
use std::collections::{BTreeMap, BTreeSet};

/// The peer URLs of each member by its name; a member's are sorted.
pub type PeerUrls = BTreeMap<String, Vec<Url>>;

/// Turns `host:port` into `address:port`; an error says why it can't.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Result<String, String>;

impl Config {
    /// `--initial-cluster`, taken apart.
    ///
    /// # Errors
    /// A URL that etcd does not accept.
    pub fn initial_peer_urls(&self) -> Result<PeerUrls, Error> {
        let mut texts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for pair in self.initial_cluster.split(',').filter(|pair| !pair.is_empty()) {
            let (name, url) = pair.split_once('=').unwrap_or((pair, ""));
            texts.entry(name).or_default().push(url);
        }
        let mut members = PeerUrls::new();
        for (name, urls) in texts {
            let urls = Url::parse_all(urls).map_err(|error| {
                Error::Invalid(format!("error setting up initial cluster: {error}"))
            })?;
            members.insert(name.to_owned(), urls);
        }
        Ok(members)
    }

    /// Checks the members with which a cluster is founded, this one among them.
    ///
    /// # Errors
    /// As etcd words them.
    pub fn verify_bootstrap(&self, members: &PeerUrls, resolve: Resolve<'_>) -> Result<(), Error> {
        self.has_local_member(members)?;
        self.advertised_matches(members, resolve)?;
        has_no_duplicate(members)
    }

    /// Checks the members of a cluster that is joined.
    ///
    /// # Errors
    /// As etcd words them.
    pub fn verify_join(&self, members: &PeerUrls) -> Result<(), Error> {
        self.has_local_member(members)?;
        has_no_duplicate(members)
    }

    fn has_local_member(&self, members: &PeerUrls) -> Result<(), Error> {
        if members.contains_key(&self.name) {
            return Ok(());
        }
        let name = quote(&self.name);
        let text = format!("couldn't find local name {name} in the initial cluster configuration");
        Err(Error::Invalid(text))
    }

    /// The URLs that this member advertises are those that the cluster has of it.
    fn advertised_matches(&self, members: &PeerUrls, resolve: Resolve<'_>) -> Result<(), Error> {
        let listed = &members[&self.name];
        let mut advertised = self.advertise_peer_urls.clone();
        advertised.sort();
        let Err(reason) = same_place(&advertised, listed, resolve) else {
            return Ok(());
        };
        let texts = |urls: &[Url]| urls.iter().map(Url::to_string).collect::<BTreeSet<_>>();
        let (listed, wanted) = (texts(listed), texts(&advertised));
        let join = |texts: &[String]| texts.join(",");
        let all: Vec<String> = wanted.iter().cloned().collect();
        let named: Vec<String> = all.iter().map(|url| format!("{}={url}", self.name)).collect();
        let missing: Vec<String> =
            listed.difference(&wanted).map(|url| format!("{}={url}", self.name)).collect();
        if !missing.is_empty() {
            return Err(Error::Invalid(format!(
                "--initial-cluster has {} but missing from --initial-advertise-peer-urls={} \
                 ({reason})",
                join(&missing),
                join(&all)
            )));
        }
        let missing: Vec<String> = wanted.difference(&listed).cloned().collect();
        if !missing.is_empty() {
            return Err(Error::Invalid(format!(
                "--initial-advertise-peer-urls has {} but missing from --initial-cluster={}",
                join(&missing),
                join(&named)
            )));
        }
        Err(Error::Invalid(format!(
            "failed to resolve {} to match --initial-cluster={} ({reason})",
            join(&all),
            join(&named)
        )))
    }
}

/// Whether two sorted lists lead to the same places, by text or after resolving names.
fn same_place(one: &[Url], other: &[Url], resolve: Resolve<'_>) -> Result<(), String> {
    let shown = |urls: &[Url]| {
        let quoted: Vec<String> = urls.iter().map(|url| quote(&url.to_string())).collect();
        format!("[{}]", quoted.join(" "))
    };
    if one.len() != other.len() {
        return Err(format!("len({}) != len({})", shown(one), shown(other)));
    }
    if one == other {
        return Ok(());
    }
    let resolved = |urls: &[Url]| -> Result<Vec<Url>, String> {
        let mut found = Vec::new();
        for url in urls {
            found.push(resolved(url, resolve)?);
        }
        found.sort();
        Ok(found)
    };
    let (one, other) = (resolved(one)?, resolved(other)?);
    match one.iter().zip(&other).find(|(one, other)| one != other) {
        Some((one, other)) => {
            let (one, other) = (quote(&one.to_string()), quote(&other.to_string()));
            Err(format!("resolved urls: {one} != {other}"))
        }
        None => Ok(()),
    }
}

fn resolved(url: &Url, resolve: Resolve<'_>) -> Result<Url, String> {
    let local = url.hostname() == "localhost";
    if local || matches!(url.scheme(), Scheme::Unix | Scheme::Unixs) {
        return Ok(url.clone());
    }
    let authority = resolve(url.authority())
        .map_err(|error| format!("failed to resolve {} ({error})", quote(&url.to_string())))?;
    Ok(url.with_authority(&authority))
}

fn has_no_duplicate(members: &PeerUrls) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let all = members.values().flatten();
    let mut twice = all.filter(|url| !seen.insert((*url).clone()));
    if twice.next().is_none() {
        return Ok(());
    }
    let pairs =
        members.iter().flat_map(|(name, urls)| urls.iter().map(move |url| format!("{name}={url}")));
    let mut pairs: Vec<String> = pairs.collect();
    pairs.sort();
    Err(Error::Invalid(format!("initial cluster {} has duplicate url", pairs.join(","))))
}
