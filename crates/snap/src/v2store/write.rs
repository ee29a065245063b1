//! Writing the v2 store.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::Serialize;
use types::MemberId;

use super::{Member, Membership};

/// How many events the store remembers, and slots it writes.
const EVENTS_MAX: u64 = 1000;

/// "Never", as Go prints its zero time.
const NO_EXPIRY: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Store {
    root: Node,
    watcher_hub: WatcherHub,
    current_index: u64,
    stats: Stats,
    current_version: u32,
}

/// A directory has children, if only none; a leaf has `null`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    path: String,
    created_index: u64,
    modified_index: u64,
    expire_time: &'static str,
    value: String,
    children: Option<BTreeMap<String, Node>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WatcherHub {
    event_history: EventHistory,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventHistory {
    queue: Queue,
    start_index: u64,
    last_index: u64,
}

/// A ring: `events` by slot, the oldest at `front`, the next one's slot at `back`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Queue {
    events: Vec<Option<Event>>,
    size: u64,
    front: u64,
    back: u64,
    capacity: u64,
}

#[derive(Serialize)]
struct Event {
    action: &'static str,
    node: EventNode,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventNode {
    key: String,
    value: String,
    modified_index: u64,
    created_index: u64,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Stats {
    gets_success: u64,
    gets_fail: u64,
    sets_success: u64,
    sets_fail: u64,
    delete_success: u64,
    delete_fail: u64,
    update_success: u64,
    update_fail: u64,
    create_success: u64,
    create_fail: u64,
    compare_and_swap_success: u64,
    compare_and_swap_fail: u64,
    compare_and_delete_success: u64,
    compare_and_delete_fail: u64,
    expire_count: u64,
    watchers: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RaftAttributes<'a> {
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
}

#[derive(Serialize)]
struct Attributes<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "clientURLs")]
    client_urls: &'a [String],
}

/// The membership as JSON, as 3.6 and 3.7 write it.
#[must_use]
pub fn encode(membership: &Membership) -> Bytes {
    let mut builder = Builder::new();
    for member in &membership.members {
        builder.add_member(member);
    }
    for id in &membership.removed {
        builder.add("create", &format!("/0/removed_members/{id}"), String::new());
    }
    if let Some(version) = &membership.version {
        builder.add("set", "/0/version", version.clone());
    }
    Bytes::from(json(&builder.finish()))
}

/// A store under construction: each leaf added takes the next index.
struct Builder {
    root: Node,
    index: u64,
    events: VecDeque<Event>,
    stats: Stats,
}

impl Builder {
    fn new() -> Self {
        let mut root = Node::dir("/", 0);
        // The store looks for members before it is filled, and counts that it found none.
        let stats = Stats { gets_fail: 1, ..Stats::default() };
        for name in ["0", "1"] {
            root.entry(name, 0);
        }
        Self { root, index: 0, events: VecDeque::new(), stats }
    }

    fn add_member(&mut self, member: &Member) {
        let path = member_path(member.id);
        let raft = RaftAttributes { peer_urls: &member.peer_urls, is_learner: member.is_learner };
        self.add("create", &format!("{path}/raftAttributes"), json(&raft));
        if !member.client_urls.is_empty() {
            let attributes = Attributes { name: &member.name, client_urls: &member.client_urls };
            self.add("set", &format!("{path}/attributes"), json(&attributes));
        }
    }

    fn add(&mut self, action: &'static str, path: &str, value: String) {
        self.index += 1;
        match action {
            "create" => self.stats.create_success += 1,
            _ => self.stats.sets_success += 1,
        }
        let mut node = &mut self.root;
        for name in path.split('/').skip(1) {
            node = node.entry(name, self.index);
        }
        node.value.clone_from(&value);
        node.children = None;

        let (modified_index, created_index) = (self.index, self.index);
        let node = EventNode { key: path.to_owned(), value, modified_index, created_index };
        self.events.push_back(Event { action, node });
        if self.events.len() as u64 > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    fn finish(self) -> Store {
        let start_index = self.events.front().map_or(0, |event| event.node.modified_index);
        let size = self.events.len() as u64;
        let back = self.index % EVENTS_MAX;
        let front = if self.index > EVENTS_MAX { back } else { 0 };
        let mut events: Vec<Option<Event>> = self.events.into_iter().map(Some).collect();
        events.resize_with(EVENTS_MAX as usize, || None);
        // Cannot truncate: it is below the number of slots.
        events.rotate_right(front as usize);
        let queue = Queue { events, size, front, back, capacity: EVENTS_MAX };
        let event_history = EventHistory { queue, start_index, last_index: self.index };
        Store {
            root: self.root,
            watcher_hub: WatcherHub { event_history },
            current_index: self.index,
            stats: self.stats,
            current_version: 2,
        }
    }
}

impl Node {
    fn dir(path: &str, index: u64) -> Self {
        Self {
            path: path.to_owned(),
            created_index: index,
            modified_index: index,
            expire_time: NO_EXPIRY,
            value: String::new(),
            children: Some(BTreeMap::new()),
        }
    }

    /// The child of this name, made as a directory if it is not there.
    fn entry(&mut self, name: &str, index: u64) -> &mut Self {
        let path = format!("{}/{name}", self.path.trim_end_matches('/'));
        let children = self.children.get_or_insert_default();
        children.entry(name.to_owned()).or_insert_with(|| Self::dir(&path, index))
    }
}

pub(super) fn member_path(id: MemberId) -> String {
    format!("/0/members/{id}")
}

/// JSON as Go prints it: some characters that mean something in HTML or JavaScript are escaped too.
/// They can only stand inside strings.
fn json(value: &impl Serialize) -> String {
    let plain = serde_json::to_string(value).expect("strings, numbers and string-keyed maps only");
    let mut escaped = String::with_capacity(plain.len());
    for char in plain.chars() {
        match char {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(char)));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v2store::decode;

    #[test]
    fn strings_are_escaped_as_go_does() {
        assert_eq!(
            json(&"a<b>&\u{2028}\"\\\n\u{1}é"),
            r#""a\u003cb\u003e\u0026\u2028\"\\\n\u0001é""#
        );
    }

    #[test]
    fn an_empty_membership_is_an_empty_store() {
        let text = String::from_utf8(encode(&Membership::default()).to_vec()).expect("UTF-8");
        assert!(text.starts_with(
            r#"{"Root":{"Path":"/","CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"0001-01-01T00:00:00Z","Value":"","Children":{"0":{"Path":"/0""#
        ));
        assert_eq!(decode(text.as_bytes()).expect("decode").membership, Membership::default());
    }

    /// More events than slots: the ring holds the newest thousand, the oldest of them at its front.
    #[test]
    fn the_event_ring_turns() {
        let removed = (1..=1203).map(MemberId).collect();
        let membership = Membership { removed, ..Membership::default() };
        let value: serde_json::Value =
            serde_json::from_slice(&encode(&membership)).expect("it is JSON");
        let history = &value["WatcherHub"]["EventHistory"];
        assert_eq!(history["StartIndex"], 204);
        assert_eq!(history["LastIndex"], 1203);
        let queue = &history["Queue"];
        assert_eq!((&queue["Front"], &queue["Back"]), (&203.into(), &203.into()));
        let events = queue["Events"].as_array().expect("an array");
        assert_eq!(events.len(), 1000);
        let index_at = |slot: usize| events[slot]["node"]["modifiedIndex"].clone();
        assert_eq!(index_at(203), 204);
        assert_eq!(index_at(999), 1000);
        assert_eq!(index_at(0), 1001);
        assert_eq!(index_at(202), 1203);
    }
}
