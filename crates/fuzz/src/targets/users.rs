//! Users and roles: beside plain maps, and permissions beside a look at each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use auth::{Effect, Error, Identity, Permissions, ROOT, Store};
use bytes::Bytes;
use proto::authpb::Permission;
use proto::etcdserverpb as pb;
use simenv::SimDisk;
use types::{Index, KeyRange};

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};

pub(super) const TARGETS: &[Target] = &[
    Target::new("users", users, choices, 250),
    Target::new("permissions", permissions, choices, 2000),
];

const KEYS: [&str; 9] = ["\0", "a", "a\0", "aa", "b", "b/1", "c", "z", "\u{7f}"];

fn permission(input: &mut Input<'_>) -> Permission {
    let perm_type = if input.one_in(12) { input.number() as i32 } else { input.below(3) as i32 };
    Permission { perm_type, key: input.key(), range_end: input.range_end() }
}

fn covers(permission: &Permission, key: &[u8], wanted: [i32; 2]) -> bool {
    let range = KeyRange::parse(permission.key.clone(), permission.range_end.clone());
    // An empty key names nothing.
    !permission.key.is_empty() && wanted.contains(&permission.perm_type) && range.contains(key)
}

const READ: [i32; 2] = [0, 2];
const WRITE: [i32; 2] = [1, 2];

/// Merged permissions allow what one of them allows, key by key; a range if all of it is.
fn permissions(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let granted: Vec<Permission> = (0..input.below(10)).map(|_| permission(&mut input)).collect();
    let merged = Permissions::merge(&granted);
    let mut backward = granted.clone();
    backward.reverse();
    assert_eq!(Permissions::merge(&backward), merged, "the order does not matter");
    let allows = |key: &[u8], wanted| granted.iter().any(|one| covers(one, key, wanted));
    let asked: Vec<Bytes> = (0..8).map(|_| input.key()).collect();
    let known = KEYS.iter().map(|key| Bytes::from_static(key.as_bytes()));
    let ends = granted.iter().flat_map(|one| [one.key.clone(), one.range_end.clone()]);
    let all: BTreeSet<Bytes> =
        asked.into_iter().chain(known).chain(ends).filter(|key| !key.is_empty()).collect();
    for key in &all {
        assert_eq!(merged.read.contain(key), allows(key, READ), "read {key:?} by {granted:?}");
        assert_eq!(merged.write.contain(key), allows(key, WRITE), "write {key:?} by {granted:?}");
    }
    for _ in 0..8 {
        let range = KeyRange::parse(input.key(), input.range_end());
        if matches!(&range, KeyRange::Range(start, end) if end <= start) {
            continue;
        }
        let covered = merged.read.cover(&range);
        features.note(u64::from(covered));
        for key in all.iter().filter(|key| range.contains(key)) {
            assert!(!covered || allows(key, READ), "{range:?} holds {key:?}, by {granted:?}");
        }
    }
    features.size(granted.len());
    features.number()
}

#[derive(Default)]
struct Model {
    enabled: bool,
    users: BTreeMap<String, BTreeSet<String>>,
    roles: BTreeMap<String, Vec<Permission>>,
    /// Some role was given a range twice, which may count as either kind then, or as both.
    twice: bool,
}

fn name(input: &mut Input<'_>) -> String {
    match input.below(12) {
        0 => String::new(),
        1 => input.text(),
        number => ["root", "root", "a", "b", "c"][number % 5].to_owned(),
    }
}

struct Run<'a> {
    input: Input<'a>,
    backend: backend::Backend,
    store: Store,
    model: Model,
    features: Features,
}

impl Run<'_> {
    /// The outcome, and whether the model says that it is a success.
    fn compare(&mut self, what: u64, outcome: &Result<Effect, Error>, expected: bool) {
        self.features.note(what << 1 | u64::from(expected));
        assert_eq!(outcome.is_ok(), expected, "{what}: {outcome:?}");
        if let Err(error) = outcome {
            self.features.text(&error.to_string());
        }
    }

    fn change_user(&mut self) {
        let (user, role) = (name(&mut self.input), name(&mut self.input));
        let is_there = self.model.users.contains_key(&user);
        let is_kept = self.model.enabled && user == ROOT;
        match self.input.below(5) {
            0 | 1 => {
                let request = pb::AuthUserAddRequest {
                    name: user.clone(),
                    hashed_password: "aGFzaA==".to_owned(),
                    ..Default::default()
                };
                let added = self.store.user_add(&mut self.backend, &request, Index(1));
                let expected = !user.is_empty() && !is_there;
                if expected {
                    self.model.users.insert(user, BTreeSet::new());
                }
                self.compare(0, &added, expected);
            }
            2 => {
                let request = pb::AuthUserDeleteRequest { name: user.clone() };
                let deleted = self.store.user_delete(&mut self.backend, &request);
                let expected = is_there && !is_kept;
                if expected {
                    self.model.users.remove(&user);
                }
                self.compare(1, &deleted, expected);
            }
            3 => {
                let request =
                    pb::AuthUserGrantRoleRequest { user: user.clone(), role: role.clone() };
                let granted = self.store.user_grant_role(&mut self.backend, &request);
                let expected = is_there && (role == ROOT || self.model.roles.contains_key(&role));
                if expected {
                    self.model.users.entry(user).or_default().insert(role);
                }
                self.compare(2, &granted, expected);
            }
            _ => {
                let (name, of) = (user.clone(), role.clone());
                let request = pb::AuthUserRevokeRoleRequest { name, role: of };
                let revoked = self.store.user_revoke_role(&mut self.backend, &request);
                let has = self.model.users.get(&user).is_some_and(|roles| roles.contains(&role));
                let expected = has && !(is_kept && role == ROOT);
                if expected {
                    self.model.users.entry(user).or_default().remove(&role);
                }
                self.compare(3, &revoked, expected);
            }
        }
    }

    fn change_role(&mut self) {
        let role = name(&mut self.input);
        let is_there = self.model.roles.contains_key(&role);
        match self.input.below(5) {
            0 => {
                let request = pb::AuthRoleAddRequest { name: role.clone() };
                let added = self.store.role_add(&mut self.backend, &request);
                let expected = !role.is_empty() && !is_there;
                if expected {
                    self.model.roles.insert(role, Vec::new());
                }
                self.compare(4, &added, expected);
            }
            1 => {
                let request = pb::AuthRoleDeleteRequest { role: role.clone() };
                let deleted = self.store.role_delete(&mut self.backend, &request);
                let expected = is_there && !(self.model.enabled && role == ROOT);
                if expected {
                    self.model.roles.remove(&role);
                    for roles in self.model.users.values_mut() {
                        roles.remove(&role);
                    }
                }
                self.compare(5, &deleted, expected);
            }
            2 | 3 => {
                let perm = permission(&mut self.input);
                let request = pb::AuthRoleGrantPermissionRequest {
                    name: role.clone(),
                    perm: Some(perm.clone()),
                };
                let granted = self.store.role_grant_permission(&mut self.backend, &request);
                if granted.is_ok() {
                    assert!(is_there);
                    let held = self.model.roles.get_mut(&role).expect("it is there");
                    let is_same = |one: &&mut Permission| {
                        (&one.key, &one.range_end) == (&perm.key, &perm.range_end)
                    };
                    match held.iter_mut().find(is_same) {
                        Some(same) => {
                            same.perm_type = perm.perm_type;
                            self.model.twice = true;
                        }
                        None => held.push(perm),
                    }
                }
                self.features.note(6 << 1 | u64::from(granted.is_ok()));
            }
            _ => {
                let perm = permission(&mut self.input);
                let request = pb::AuthRoleRevokePermissionRequest {
                    role: role.clone(),
                    key: perm.key.clone(),
                    range_end: perm.range_end.clone(),
                };
                let revoked = self.store.role_revoke_permission(&mut self.backend, &request);
                let is_same =
                    |one: &Permission| (&one.key, &one.range_end) == (&perm.key, &perm.range_end);
                let held = self.model.roles.get_mut(&role);
                let expected = held.as_ref().is_some_and(|held| held.iter().any(is_same));
                if let Some(held) = held {
                    held.retain(|one| !is_same(one));
                }
                self.compare(7, &revoked, expected);
            }
        }
    }

    fn switch(&mut self) {
        if self.input.one_in(3) {
            self.store.disable(&mut self.backend);
            self.model.enabled = false;
            return;
        }
        let enabled = self.store.enable(&mut self.backend);
        let root = self.model.users.get(ROOT);
        let expected = self.model.enabled || root.is_some_and(|roles| roles.contains(ROOT));
        self.model.enabled |= expected;
        self.compare(8, &enabled, expected);
    }

    fn ask(&mut self) {
        let user = name(&mut self.input);
        let view = self.store.view();
        let who = Identity { user: user.clone(), revision: view.revision() };
        let key = self.input.key();
        let range = KeyRange::Key(key.clone());
        let roles = self.model.users.get(&user);
        let is_root = roles.is_some_and(|roles| roles.contains(ROOT));
        let allows = |wanted| {
            let held = roles.into_iter().flatten().filter_map(|role| self.model.roles.get(role));
            held.flatten().any(|one| covers(one, &key, wanted))
        };
        let admin = view.check_admin(&who).is_ok();
        assert_eq!(admin, !self.model.enabled || (is_root && !user.is_empty()));
        let access = view.access(&who);
        let (read, write) = (access.read(&range).is_ok(), access.write(&range).is_ok());
        let is_free = !self.model.enabled || is_root;
        if is_free {
            assert!(read && write);
        } else if !key.is_empty() && !self.model.twice {
            assert_eq!(read, allows(READ), "{user} reads {key:?}");
            assert_eq!(write, allows(WRITE), "{user} writes {key:?}");
        }
        self.features.note(20 + u64::from(read) + 2 * u64::from(write) + 4 * u64::from(is_free));
    }
}

fn users(input: &[u8]) -> u64 {
    let disk = SimDisk::new();
    disk.put_dir(Path::new("/data"));
    let options = backend::Options::new("/data/db");
    let (mut backend, _committer) =
        backend::open(Arc::new(disk), options).expect("a new file opens");
    let store = Store::open(&mut backend).expect("a new file has no users");
    let (input, model, features) = (Input::new(input), Model::default(), Features::default());
    let mut run = Run { input, backend, store, model, features };
    for _ in 0..150 {
        if run.input.is_empty() {
            break;
        }
        let before = run.store.view().revision();
        match run.input.below(10) {
            0..4 => run.change_user(),
            4..7 => run.change_role(),
            7 => run.switch(),
            8 => run.ask(),
            _ => {
                run.store = Store::open(&mut run.backend).expect("what was written is read");
            }
        }
        assert!(run.store.view().revision() >= before);
        run.store.check_invariants(&run.backend);
        let view = run.store.view();
        assert_eq!(view.is_enabled(), run.model.enabled);
        assert!(view.user_list().iter().eq(run.model.users.keys()));
        assert!(view.role_list().iter().eq(run.model.roles.keys()));
    }
    run.features.size(run.model.users.len() + run.model.roles.len());
    run.features.number()
}
