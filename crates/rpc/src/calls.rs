//! Counts of calls per method, under the names that gRPC's own middleware for Prometheus gives them.
//!
//! A call that does not parse, or names no method, is not counted: it does not get as far.
//!
//! Invariants: for each method, calls started ≥ calls handled; a [`Call`] is handled exactly once,
//! with the code that it ended with; before that `DeadlineExceeded` where its caller's time was over,
//! `Canceled` where its client went away.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use telemetry::{Counter, Histogram, Kind, Labelled, Registry, Samples};
use tonic::{Code, Status};

/// The codes by number, as Go writes them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// Upper bounds of the times of calls, in seconds.
const HANDLING_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What `/metrics` shows of a method before its first call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unused {
    /// Zeros for everything.
    Zeros,
    /// Nothing: etcd adds these services when its metrics are set up already.
    Nothing,
}

/// The counts of one method.
#[derive(Clone)]
pub(crate) struct Method(Arc<Counts>);

struct Counts {
    /// The `grpc_method`, `grpc_service` and `grpc_type` labels.
    labels: Labels,
    unused: Unused,
    started: Counter,
    received: Counter,
    sent: Counter,
    /// Ended with OK.
    succeeded: Counter,
    /// Ended with another code, by its number.
    failed: [AtomicU64; CODES.len()],
    /// How long calls took, where that is to be shown.
    times: OnceLock<Times>,
}

/// The family of all methods' times, and this one's when it is needed.
struct Times {
    family: Labelled<Histogram>,
    own: OnceLock<Histogram>,
}

impl Method {
    fn new(service: &'static str, name: &'static str, kind: &'static str, unused: Unused) -> Self {
        let labels = [("grpc_method", name), ("grpc_service", service), ("grpc_type", kind)];
        let new = Counter::new;
        let (started, received, sent, succeeded) = (new(), new(), new(), new());
        let failed = std::array::from_fn(|_| AtomicU64::new(0));
        let times = OnceLock::new();
        Self(Arc::new(Counts { labels, unused, started, received, sent, succeeded, failed, times }))
    }

    /// Shows from now on how long calls take.
    fn time(&self, family: &Labelled<Histogram>) {
        let counts = &self.0;
        let times =
            counts.times.get_or_init(|| Times { family: family.clone(), own: OnceLock::new() });
        if counts.unused == Unused::Zeros {
            let _ = times.own(counts.labels);
        }
    }

    /// Counts the beginning of a call.
    pub(crate) fn begin(&self) -> Call {
        self.0.started.inc();
        let began = self.0.times.get().map(|_| Instant::now());
        Call { counts: Arc::clone(&self.0), code: Code::Cancelled, began }
    }
}

impl Times {
    fn own(&self, labels: Labels) -> &Histogram {
        self.own.get_or_init(|| self.family.with(&labels.map(|(_, value)| value)))
    }
}

type Labels = [(&'static str, &'static str); 3];

thread_local! {
    /// Whether calls that go now do so because their callers' time is over.
    static OUT_OF_TIME: Cell<bool> = const { Cell::new(false) };
}

/// Ends calls whose callers' time is over: those that go within `end` count as `DeadlineExceeded`.
pub(crate) fn out_of_time(end: impl FnOnce()) {
    OUT_OF_TIME.set(true);
    end();
    OUT_OF_TIME.set(false);
}

/// A call that has begun; its end is counted when this goes.
pub(crate) struct Call {
    counts: Arc<Counts>,
    code: Code,
    /// When, if that is to be shown.
    began: Option<Instant>,
}

impl Call {
    /// The method's path.
    pub(crate) fn path(&self) -> String {
        let [(_, method), (_, service), _] = self.counts.labels;
        format!("/{service}/{method}")
    }

    /// A message came.
    pub(crate) fn received(&self) {
        self.counts.received.inc();
    }

    /// Counts messages for a part of the call that reads on its own.
    pub(crate) fn receipts(&self) -> Counter {
        self.counts.received.clone()
    }

    /// A message was given out.
    pub(crate) fn sent(&self) {
        self.counts.sent.inc();
    }

    /// All was given out.
    pub(crate) const fn succeeded(&mut self) {
        self.code = Code::Ok;
    }

    /// It ends with this error.
    pub(crate) fn failed(&mut self, error: api::Error) -> Status {
        let status = crate::status::status(error);
        self.code = status.code();
        status
    }

    /// It ends with what was found wrong before the API was asked.
    pub(crate) fn refused(&mut self, status: Status) -> Status {
        self.code = status.code();
        status
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let (Some(began), Some(times)) = (self.began, self.counts.times.get()) {
            times.own(self.counts.labels).observe_duration(began.elapsed());
        }
        match self.code {
            Code::Cancelled if OUT_OF_TIME.get() => self.counts.fail(Code::DeadlineExceeded),
            Code::Ok => self.counts.succeeded.inc(),
            code => self.counts.fail(code),
        }
    }
}

impl Counts {
    fn fail(&self, code: Code) {
        self.failed[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn shown(&self, value: u64) -> bool {
        value > 0 || self.unused == Unused::Zeros
    }

    fn add(&self, samples: &mut Samples, counter: &Counter) {
        let value = counter.value();
        if self.shown(value) {
            samples.add("", &self.labels, value as f64);
        }
    }

    fn add_handled(&self, samples: &mut Samples) {
        let [method, service, kind] = self.labels;
        for (number, code) in CODES.iter().enumerate() {
            let value = match number {
                0 => self.succeeded.value(),
                number => self.failed[number].load(Ordering::Relaxed),
            };
            if self.shown(value) {
                samples.add("", &[("grpc_code", *code), method, service, kind], value as f64);
            }
        }
    }
}

/// Declares [`Calls`]: a field per method, with its service, its name and its type.
macro_rules! calls {
    ($($unused:ident $service:literal { $($field:ident: $name:literal $kind:literal;)* })*) => {
        /// The counts of every method.
        pub(crate) struct Calls {
            $($(pub(crate) $field: Method,)*)*
        }

        impl Default for Calls {
            fn default() -> Self {
                Self { $($($field: Method::new($service, $name, $kind, Unused::$unused),)*)* }
            }
        }

        impl Calls {
            fn all(&self) -> Vec<Method> {
                vec![$($(self.$field.clone(),)*)*]
            }
        }
    };
}

calls! {
    Zeros "etcdserverpb.KV" {
        range: "Range" "unary";
        range_stream: "RangeStream" "server_stream";
        put: "Put" "unary";
        delete_range: "DeleteRange" "unary";
        txn: "Txn" "unary";
        compact: "Compact" "unary";
    }
    Zeros "etcdserverpb.Watch" {
        watch: "Watch" "bidi_stream";
    }
    Zeros "etcdserverpb.Lease" {
        lease_grant: "LeaseGrant" "unary";
        lease_revoke: "LeaseRevoke" "unary";
        lease_keep_alive: "LeaseKeepAlive" "bidi_stream";
        lease_time_to_live: "LeaseTimeToLive" "unary";
        lease_leases: "LeaseLeases" "unary";
    }
    Zeros "etcdserverpb.Cluster" {
        member_list: "MemberList" "unary";
        member_add: "MemberAdd" "unary";
        member_remove: "MemberRemove" "unary";
        member_update: "MemberUpdate" "unary";
        member_promote: "MemberPromote" "unary";
    }
    Zeros "etcdserverpb.Maintenance" {
        alarm: "Alarm" "unary";
        status: "Status" "unary";
        defragment: "Defragment" "unary";
        hash: "Hash" "unary";
        hash_kv: "HashKV" "unary";
        snapshot: "Snapshot" "server_stream";
        move_leader: "MoveLeader" "unary";
        downgrade: "Downgrade" "unary";
    }
    Zeros "etcdserverpb.Auth" {
        auth_enable: "AuthEnable" "unary";
        auth_disable: "AuthDisable" "unary";
        auth_status: "AuthStatus" "unary";
        authenticate: "Authenticate" "unary";
        user_add: "UserAdd" "unary";
        user_get: "UserGet" "unary";
        user_list: "UserList" "unary";
        user_delete: "UserDelete" "unary";
        user_change_password: "UserChangePassword" "unary";
        user_grant_role: "UserGrantRole" "unary";
        user_revoke_role: "UserRevokeRole" "unary";
        role_add: "RoleAdd" "unary";
        role_get: "RoleGet" "unary";
        role_list: "RoleList" "unary";
        role_delete: "RoleDelete" "unary";
        role_grant_permission: "RoleGrantPermission" "unary";
        role_revoke_permission: "RoleRevokePermission" "unary";
    }
    Nothing "v3lockpb.Lock" {
        lock: "Lock" "unary";
        unlock: "Unlock" "unary";
    }
    Nothing "v3electionpb.Election" {
        campaign: "Campaign" "unary";
        proclaim: "Proclaim" "unary";
        leader: "Leader" "unary";
        observe: "Observe" "server_stream";
        resign: "Resign" "unary";
    }
    Zeros "grpc.health.v1.Health" {
        health_check: "Check" "unary";
        health_list: "List" "unary";
        health_watch: "Watch" "server_stream";
    }
}

impl Calls {
    /// Counts that a registry prints.
    pub(crate) fn new(registry: &Registry, handling_times: bool) -> Self {
        let calls = Self::default();
        if handling_times {
            let family = registry.histograms(
                "grpc_server_handling_seconds",
                "How long calls took.",
                &["grpc_method", "grpc_service", "grpc_type"],
                &HANDLING_BOUNDS,
            );
            calls.all().iter().for_each(|method| method.time(&family));
        }
        let family = |name, help, add: fn(&Counts, &mut Samples)| {
            let mut methods = calls.all();
            methods.sort_by_key(|method| method.0.labels);
            registry.collect(name, help, Kind::Counter, move |samples| {
                methods.iter().for_each(|method| add(&method.0, samples));
            });
        };
        family(
            "grpc_server_started_total",
            "Total number of RPCs started on the server.",
            |counts, samples| counts.add(samples, &counts.started),
        );
        family(
            "grpc_server_handled_total",
            "Total number of RPCs completed on the server, regardless of success or failure.",
            |counts, samples| counts.add_handled(samples),
        );
        family(
            "grpc_server_msg_received_total",
            "Total number of RPC stream messages received on the server.",
            |counts, samples| counts.add(samples, &counts.received),
        );
        family(
            "grpc_server_msg_sent_total",
            "Total number of gRPC stream messages sent by the server.",
            |counts, samples| counts.add(samples, &counts.sent),
        );
        calls
    }
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Calls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(registry: &Registry, with: &str) -> Vec<String> {
        let text = registry.render();
        text.lines().filter(|line| line.contains(with)).map(str::to_owned).collect()
    }

    #[test]
    fn a_call_is_counted_with_the_code_it_ends_with() {
        let registry = Registry::new();
        let calls = Calls::new(&registry, false);
        let mut good = calls.put.begin();
        good.received();
        good.sent();
        good.succeeded();
        drop(good);
        drop(calls.put.begin());
        let mut refused = calls.put.begin();
        let _ = refused.refused(Status::not_found("x"));
        drop(refused);
        let late = calls.put.begin();
        out_of_time(|| drop(late));
        let _open = calls.put.begin();
        let put = r#"grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}"#;
        let of = |name: &str, code: &str| {
            let line = format!("grpc_server_{name}_total{{{code}{put} ");
            let line = lines(&registry, &line);
            assert_eq!(line.len(), 1, "{name} {code}");
            line[0].rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
        };
        assert_eq!([of("started", ""), of("msg_received", ""), of("msg_sent", "")], [5, 1, 1]);
        let handled = |code: &str| of("handled", &format!("grpc_code=\"{code}\","));
        assert_eq!([handled("OK"), handled("Canceled"), handled("NotFound")], [1, 1, 1]);
        assert_eq!(handled("DeadlineExceeded"), 1);
        assert_eq!(handled("Internal"), 0);
    }

    #[test]
    fn times_are_shown_if_asked_for() {
        let registry = Registry::new();
        drop(Calls::new(&registry, true).put.begin());
        let put = r#"{grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}"#;
        let count = lines(&registry, &format!("grpc_server_handling_seconds_count{put}"));
        assert!(count[0].ends_with(" 1"), "{count:?}");
        assert!(
            lines(&registry, "grpc_server_handling_seconds_count{grpc_method=\"Lock\"").is_empty()
        );
    }

    #[test]
    fn unused_methods_show_zeros_but_for_locks_and_elections() {
        let registry = Registry::new();
        let calls = Calls::new(&registry, false);
        // As a 3.7 server that was just started prints them.
        assert_eq!(lines(&registry, "grpc_server_started_total{").len(), 45);
        assert_eq!(lines(&registry, "grpc_server_handled_total{").len(), 45 * CODES.len());
        assert!(lines(&registry, "v3lockpb").is_empty());
        drop(calls.lock.begin());
        let shown = lines(&registry, "v3lockpb");
        assert_eq!(shown.len(), 2, "started and canceled: {shown:?}");
    }
}
