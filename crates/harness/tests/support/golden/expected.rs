//! Reads the answers of the etcd that made an archive, as `etcdctl -w json` printed them.

use super::archive::Unpacked;
use super::contents::Contents;
use base64::Engine as _;
use proto::authpb::Permission;
use proto::mvccpb::KeyValue;
use serde_json::Value;

/// Everything in the folder `expected`.
pub fn contents(archive: &Unpacked) -> Contents {
    let json = |name: &str| {
        archive.expected_json(name).unwrap_or_else(|| panic!("the archive has no {name}"))
    };
    let newest = json("get-all.json");
    let revision = int(&newest["header"]["revision"]);
    let mut contents = Contents { revision, ..Contents::default() };
    contents.keys.insert(revision, list(&newest["kvs"]).iter().map(pair).collect());
    for answer in list(&json("hashkv.json")) {
        let asked = int(&answer["revision"]);
        let hash = &answer["resp"][0]["HashKV"];
        let number = u32::try_from(int(&hash["hash"])).unwrap();
        let at = if asked == 0 { revision } else { asked };
        contents.hashes.insert(at, (number, int(&hash["compact_revision"])));
        if asked != 0 {
            let range = json(&format!("get-all.rev{asked}.json"));
            contents.keys.insert(at, list(&range["kvs"]).iter().map(pair).collect());
        }
    }
    for lease in list(&json("lease-list.json")["leases"]) {
        let id = int(&lease["id"]);
        let lease = json(&format!("lease-ttl.{id:x}.json"));
        let mut keys: Vec<Vec<u8>> = list(&lease["keys"]).iter().map(bytes).collect();
        keys.sort();
        contents.leases.insert(id, (int(&lease["granted-ttl"]), keys));
    }
    read_auth(&mut contents, &json);
    contents.alarms = alarms(&archive.expected_text("alarm-list.txt").unwrap_or_default());
    for member in list(&json("member-list.json")["members"]) {
        let id = member["ID"].as_u64().expect("a member has an id");
        contents.members.push((id, text(&member["name"]), texts(&member["peerURLs"])));
    }
    contents
}

fn read_auth(contents: &mut Contents, json: &impl Fn(&str) -> Value) {
    let status = json("auth-status.json");
    let revision = status["authRevision"].as_u64().expect("auth has a revision");
    contents.auth = Some((status["enabled"].as_bool().unwrap_or_default(), revision));
    for user in texts(&json("user-list.json")["users"]) {
        let roles = texts(&json(&format!("user-{user}.json"))["roles"]);
        contents.users.insert(user, roles);
    }
    for role in texts(&json("role-list.json")["roles"]) {
        let permissions = json(&format!("role-{role}.json"))["perm"].clone();
        let permissions = list(&permissions).iter().map(permission).collect();
        contents.add_role(role, permissions);
    }
}

/// Lines such as `memberID:12345 alarm:NOSPACE`, with one blank or, in 3.7, two.
fn alarms(text: &str) -> Vec<(u64, i32)> {
    let alarm = |line: &str| {
        let (member, alarm) = line.strip_prefix("memberID:")?.split_once(' ')?;
        assert_eq!(alarm.trim(), "alarm:NOSPACE", "the only alarm in the archives");
        Some((member.parse().ok()?, 1))
    };
    text.lines().filter_map(alarm).collect()
}

/// A pair of keys and values as `etcdctl` prints it; what is zero or empty is left out.
pub fn pair(value: &Value) -> KeyValue {
    KeyValue {
        key: bytes(&value["key"]).into(),
        create_revision: int(&value["create_revision"]),
        mod_revision: int(&value["mod_revision"]),
        version: int(&value["version"]),
        value: bytes(&value["value"]).into(),
        lease: int(&value["lease"]),
    }
}

fn permission(value: &Value) -> Permission {
    Permission {
        perm_type: i32::try_from(int(&value["permType"])).unwrap(),
        key: bytes(&value["key"]).into(),
        range_end: bytes(&value["range_end"]).into(),
    }
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Null => 0,
        value => value.as_i64().unwrap_or_else(|| panic!("{value} is no number")),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

/// The elements; a list that is not there is empty.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
