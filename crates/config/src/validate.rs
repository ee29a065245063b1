//! Rules between flags, in etcd's order and words (server/embed/config.go, `Validate`).

use crate::Error;
use crate::config::{AutoCompaction, bcrypt_cost};
use crate::duration::parse_duration;
use crate::gates::{FeatureGates, Gate};
use crate::logging::Logging;
use crate::notice::Notice;
use crate::quote::quote;
use crate::settings::Settings;
use membership::Url;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

const ELECTION_MS_MAX: u64 = 50_000;

/// Of a million spans.
const SAMPLES_MAX: i64 = 1_000_000;

/// Checks what several flags say together.
///
/// # Errors
/// The first rule that is broken.
pub fn check(
    settings: Settings<'_>,
    gates: &FeatureGates,
    notices: &mut Vec<Notice>,
) -> Result<Logging, Error> {
    if settings.text("discovery-fallback") == "proxy" {
        return invalid(
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"",
        );
    }
    let logging = Logging::from_settings(settings)?;
    check_urls(settings, notices)?;
    check_times(settings)?;
    // The default of the advertised URLs does not count once clients are listened for elsewhere.
    let listens = settings.is_set("listen-client-urls");
    if listens && !settings.is_set("advertise-client-urls") {
        return Err(Error::AdvertiseClientUrlsMissing);
    }
    match settings.text("auto-compaction-mode").as_str() {
        "periodic" | "revision" => {}
        "" => return invalid("undefined auto-compaction-mode"),
        other => return invalid(format!("unknown auto-compaction-mode {}", quote(other))),
    }
    check_tracing(settings)?;
    check_leases(gates, notices)?;
    if settings.go_duration("compact-hash-check-time").0 <= 0 {
        let time = settings.go_duration("compact-hash-check-time");
        return invalid(format!("--compact-hash-check-time must be >0 (set to {time})"));
    }
    check_tls_versions(settings)?;
    check_auth(settings, notices)?;
    if settings.int("max-learners") < 0 {
        return invalid("membership: too many learner members in cluster");
    }
    Ok(logging)
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Invalid(text.into()))
}

fn check_urls(settings: Settings<'_>, notices: &mut Vec<Notice>) -> Result<(), Error> {
    check_listeners(&settings.urls("listen-peer-urls"))?;
    check_listeners(&settings.urls("listen-client-urls"))?;
    check_listeners(&settings.urls("listen-client-http-urls"))?;
    if settings.urls("listen-client-http-urls").is_empty() {
        let text = "Running http and grpc server on single port. This is not recommended for \
                    production.";
        notices.push(Notice::Warning(text.to_owned()));
    }
    check_listeners(&settings.urls("listen-metrics-urls"))?;
    let peers = settings.urls("initial-advertise-peer-urls");
    check_advertised(&peers).map_err(|fault| {
        let form = "must be \"host:port\"";
        let urls = quote(&join(&peers));
        Error::Invalid(format!("--initial-advertise-peer-urls {urls} {form} ({fault})"))
    })?;
    let clients = settings.urls("advertise-client-urls");
    check_advertised(&clients).map_err(|fault| {
        let form = "must be in the format \"host:port\", \"unix:/path/to/socket\" or \
                    \"unixs:/path/to/socket\"";
        let urls = quote(&join(&clients));
        Error::Invalid(format!("--advertise-client-urls {urls} {form} ({fault})"))
    })?;
    check_split(settings)?;
    let mut metrics = settings.urls("listen-metrics-urls").into_iter();
    let has_certificate = ["cert-file", "key-file"].iter().any(|name| settings.is_set(name));
    if metrics.any(|url| url.is_tls()) && !has_certificate {
        return invalid(
            "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url",
        );
    }
    refuse_tls(settings)
}

/// gRPC and plain HTTP have listeners of their own, or share all of them.
fn check_split(settings: Settings<'_>) -> Result<(), Error> {
    let clients = settings.urls("listen-client-urls");
    let http = settings.urls("listen-client-http-urls");
    let place = |url: &Url| (url.host().to_owned(), url.socket_path());
    match http.iter().find(|url| clients.iter().any(|client| place(client) == place(url))) {
        Some(url) => invalid(format!(
            "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url \
             {url}"
        )),
        None => Ok(()),
    }
}

fn refuse_tls(settings: Settings<'_>) -> Result<(), Error> {
    let names = [
        "listen-peer-urls",
        "listen-client-urls",
        "listen-client-http-urls",
        "listen-metrics-urls",
        "initial-advertise-peer-urls",
    ];
    for name in names {
        if let Some(url) = settings.urls(name).iter().find(|url| url.is_tls()) {
            return Err(Error::NotYet(format!("{name}={url}: TLS")));
        }
    }
    Ok(())
}

/// What is listened on is an address, not a name.
fn check_listeners(urls: &[Url]) -> Result<(), Error> {
    for url in urls.iter().filter(|url| !url.is_unix()) {
        let host = url.hostname();
        if host != "localhost" && host.parse::<IpAddr>().is_err() {
            return invalid(format!("expected IP in URL for binding ({url})"));
        }
    }
    Ok(())
}

fn check_advertised(urls: &[Url]) -> Result<(), String> {
    let nobody = |url: &&Url| !url.is_unix() && url.hostname().is_empty();
    match urls.iter().find(nobody) {
        Some(url) => Err(format!("unexpected empty host ({url})")),
        None => Ok(()),
    }
}

fn join(urls: &[Url]) -> String {
    urls.iter().map(Url::to_string).collect::<Vec<_>>().join(",")
}

fn check_times(settings: Settings<'_>) -> Result<(), Error> {
    let heartbeat = settings.uint("heartbeat-interval");
    let election = settings.uint("election-timeout");
    if heartbeat == 0 {
        return invalid(format!("--heartbeat-interval must be >0 (set to {heartbeat}ms)"));
    }
    if election == 0 {
        return invalid(format!("--election-timeout must be >0 (set to {election}ms)"));
    }
    if heartbeat.saturating_mul(5) > election {
        return invalid(format!(
            "--election-timeout[{election}ms] should be at least as 5 times as \
             --heartbeat-interval[{heartbeat}ms]"
        ));
    }
    if election > ELECTION_MS_MAX {
        return invalid(format!(
            "--election-timeout[{election}ms] is too long, and should be set less than \
             {ELECTION_MS_MAX}ms"
        ));
    }
    Ok(())
}

fn check_tracing(settings: Settings<'_>) -> Result<(), Error> {
    let fault = match settings.int("distributed-tracing-sampling-rate") {
        _ if !settings.bool("enable-distributed-tracing") => return Ok(()),
        ..0 => "positive",
        0..=SAMPLES_MAX => return Ok(()),
        _ => "less than 1000000",
    };
    // Its misspelling is etcd's.
    invalid(format!(
        "distributed tracing configurition is not valid: (tracing sampling rate must be {fault})"
    ))
}

/// The versions are checked also where nothing speaks TLS.
fn check_tls_versions(settings: Settings<'_>) -> Result<(), Error> {
    let (least, most) = (settings.text("tls-min-version"), settings.text("tls-max-version"));
    for version in [&least, &most] {
        if !["", "TLS1.2", "TLS1.3"].contains(&version.as_str()) {
            let known = "must be one of: TLS1.2, TLS1.3";
            return invalid(format!("unexpected TLS version {} ({known})", quote(version)));
        }
    }
    // The names sort as the versions do, and nothing before all.
    if !most.is_empty() && least > most {
        return invalid(format!("min version ({least}) is greater than max version ({most})"));
    }
    if least == "TLS1.3" && !settings.texts("cipher-suites").is_empty() {
        return invalid("cipher suites cannot be configured when only TLS1.3 is enabled");
    }
    Ok(())
}

fn check_leases(gates: &FeatureGates, notices: &mut Vec<Notice>) -> Result<(), Error> {
    match (gates.is_on(Gate::LeaseCheckpoint), gates.is_on(Gate::LeaseCheckpointPersist)) {
        (true, false) => {
            let text = "Detected that checkpointing is enabled without persistence. Consider \
                        enabling feature gate LeaseCheckpointPersist";
            notices.push(Notice::Warning(text.to_owned()));
            Ok(())
        }
        (false, true) => invalid(
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate \
             LeaseCheckpoint",
        ),
        _ => Ok(()),
    }
}

fn check_auth(settings: Settings<'_>, notices: &mut Vec<Notice>) -> Result<(), Error> {
    check_token(&settings.text("auth-token"))?;
    let given = settings.uint("bcrypt-cost");
    if bcrypt_cost(given).is_none() {
        notices.push(Notice::BcryptCost { used: 10, given });
    }
    Ok(())
}

/// A kind of tokens, or none, with `name=value` options behind it, each once.
fn check_token(text: &str) -> Result<(), Error> {
    let mut parts = text.split(',');
    let kind = parts.next().unwrap_or_default();
    let mut names = BTreeSet::new();
    let has_form = parts.all(|option| match option.split_once('=') {
        Some((name, value)) => !value.contains('=') && names.insert(name),
        None => false,
    });
    match kind {
        "simple" | "" if has_form => Ok(()),
        "jwt" if has_form => Err(Error::NotYet("auth-token=jwt".to_owned())),
        _ => invalid("auth: invalid auth options"),
    }
}

/// Reads `--auto-compaction-retention`, whose meaning depends on the mode: a bare number counts
/// hours or revisions; a duration is a duration, or its nanoseconds in revisions.
///
/// # Errors
/// What is neither.
pub fn auto_compaction(settings: Settings<'_>) -> Result<Option<AutoCompaction>, Error> {
    let retention = match settings.text("auto-compaction-retention") {
        text if text.is_empty() => "0".to_owned(),
        text => text,
    };
    let revisions = settings.text("auto-compaction-mode") == "revision";
    let count = retention.parse::<i64>().ok().filter(|count| *count >= 0);
    let amount = match count {
        Some(count) if revisions => count,
        Some(hours) => hours.saturating_mul(3_600_000_000_000),
        None => match parse_duration(&retention) {
            Ok(duration) => duration.0,
            Err(error) => return invalid(format!("error parsing CompactionRetention: {error}")),
        },
    };
    if amount == 0 {
        return Ok(None);
    }
    if revisions {
        return Ok(Some(AutoCompaction::Revision(amount)));
    }
    let Ok(nanos) = u64::try_from(amount) else {
        return invalid(format!(
            "error parsing CompactionRetention: {} is negative",
            quote(&retention)
        ));
    };
    Ok(Some(AutoCompaction::Periodic(Duration::from_nanos(nanos))))
}
