//! Users, roles and revisions, entry by entry, and the rows that they leave.

use env::{Rng, SeededRng};
use prost::Message;
use proto::authpb::UserAddOptions;
use proto::authpb::permission::Type;
use proto::etcdserverpb::{
    AuthRoleAddRequest, AuthRoleDeleteRequest, AuthRoleGrantPermissionRequest,
    AuthRoleRevokePermissionRequest, AuthUserAddRequest, AuthUserChangePasswordRequest,
    AuthUserDeleteRequest, AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest,
    InternalRaftRequest,
};

use super::*;
use crate::testing::{Opened, golden, open};

/// A store and its backend; calls by name, and every one checks the invariants.
struct Fixture {
    opened: Opened,
    store: Store,
}

type Outcome = Result<Effect, Error>;

impl Fixture {
    fn new() -> Self {
        let mut opened = open();
        let store = Store::open(&mut opened.backend).unwrap();
        Self { opened, store }
    }

    /// With user and role root, and authentication on.
    fn enabled() -> Self {
        let mut fixture = Self::new();
        fixture.user_add(ROOT).unwrap();
        fixture.grant_role(ROOT, ROOT).unwrap();
        fixture.call(|store, backend| store.enable(backend)).unwrap();
        fixture
    }

    fn call(&mut self, call: impl FnOnce(&mut Store, &mut Backend) -> Outcome) -> Outcome {
        let before = self.store.view().clone();
        let outcome = call(&mut self.store, &mut self.opened.backend);
        self.store.check_invariants(&self.opened.backend);
        if outcome.is_err() {
            assert!(Arc::ptr_eq(&before.state, &self.store.view.state), "refused, but changed");
        }
        outcome
    }

    fn revision(&self) -> u64 {
        self.store.view().revision()
    }

    fn user_add(&mut self, name: &str) -> Outcome {
        let request = AuthUserAddRequest {
            name: name.to_owned(),
            hashed_password: "aGFzaA==".to_owned(),
            ..AuthUserAddRequest::default()
        };
        self.call(|store, backend| store.user_add(backend, &request, Index(1)))
    }

    fn user_delete(&mut self, name: &str) -> Outcome {
        let request = AuthUserDeleteRequest { name: name.to_owned() };
        self.call(|store, backend| store.user_delete(backend, &request))
    }

    fn change_password(&mut self, name: &str, hashed_password: &str) -> Outcome {
        let (name, hashed_password) = (name.to_owned(), hashed_password.to_owned());
        let password = String::new();
        let request = AuthUserChangePasswordRequest { name, password, hashed_password };
        self.call(|store, backend| store.user_change_password(backend, &request, Index(1)))
    }

    fn grant_role(&mut self, user: &str, role: &str) -> Outcome {
        let request = AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() };
        self.call(|store, backend| store.user_grant_role(backend, &request))
    }

    fn revoke_role(&mut self, name: &str, role: &str) -> Outcome {
        let request = AuthUserRevokeRoleRequest { name: name.to_owned(), role: role.to_owned() };
        self.call(|store, backend| store.user_revoke_role(backend, &request))
    }

    fn role_add(&mut self, name: &str) -> Outcome {
        let request = AuthRoleAddRequest { name: name.to_owned() };
        self.call(|store, backend| store.role_add(backend, &request))
    }

    fn role_delete(&mut self, role: &str) -> Outcome {
        let request = AuthRoleDeleteRequest { role: role.to_owned() };
        self.call(|store, backend| store.role_delete(backend, &request))
    }

    fn grant(&mut self, role: &str, kind: Type, key: &str, range_end: &str) -> Outcome {
        let perm = proto::authpb::Permission {
            perm_type: kind.into(),
            key: key.to_owned().into(),
            range_end: range_end.to_owned().into(),
        };
        let request = AuthRoleGrantPermissionRequest { name: role.to_owned(), perm: Some(perm) };
        self.call(|store, backend| store.role_grant_permission(backend, &request))
    }

    fn revoke(&mut self, role: &str, key: &str, range_end: &str) -> Outcome {
        let request = AuthRoleRevokePermissionRequest {
            role: role.to_owned(),
            key: key.to_owned().into(),
            range_end: range_end.to_owned().into(),
        };
        self.call(|store, backend| store.role_revoke_permission(backend, &request))
    }

    fn permissions(&self, role: &str) -> Vec<(i32, String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let permissions = self.store.view().role_get(role).unwrap();
        permissions
            .into_iter()
            .map(|held| (held.perm_type, text(&held.key), text(&held.range_end)))
            .collect()
    }
}

#[test]
fn the_first_start_sets_revision_1_and_the_next_finds_it() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.revision(), 1);
    let row = fixture.opened.backend.get(Bucket::Auth, b"authRevision").unwrap().unwrap();
    assert_eq!(row[..], [0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(fixture.opened.backend.get(Bucket::Auth, b"authEnabled").unwrap(), None);
    let again = Store::open(&mut fixture.opened.backend).unwrap();
    assert_eq!(again.view().status().auth_revision, 1);
    assert!(!again.view().status().enabled);
}

#[test]
fn what_raises_the_revision() {
    let mut fixture = Fixture::new();
    let mut expected = 1;
    let mut raised = |fixture: &Fixture, by| {
        expected += by;
        assert_eq!(fixture.revision(), expected);
    };
    fixture.user_add("alice").unwrap();
    raised(&fixture, 1);
    assert_eq!(fixture.user_add("alice"), Err(Error::UserAlreadyExist));
    raised(&fixture, 0);
    fixture.role_add("reader").unwrap();
    raised(&fixture, 1);
    fixture.grant_role("alice", "reader").unwrap();
    raised(&fixture, 1);
    assert_eq!(fixture.grant_role("alice", "reader"), Ok(Effect::None), "no change");
    raised(&fixture, 0);
    fixture.grant("reader", Type::Read, "k", "").unwrap();
    raised(&fixture, 1);
    fixture.grant("reader", Type::Read, "k", "").unwrap();
    raised(&fixture, 1);
    fixture.revoke("reader", "k", "").unwrap();
    raised(&fixture, 1);
    fixture.change_password("alice", "").unwrap();
    raised(&fixture, 1);
    fixture.revoke_role("alice", "reader").unwrap();
    raised(&fixture, 1);
    fixture.role_delete("reader").unwrap();
    raised(&fixture, 1);
    fixture.user_delete("alice").unwrap();
    raised(&fixture, 1);
    assert_eq!(fixture.call(|store, backend| Ok(store.disable(backend))), Ok(Effect::None));
    raised(&fixture, 0);
    fixture.user_add(ROOT).unwrap();
    fixture.grant_role(ROOT, ROOT).unwrap();
    raised(&fixture, 2);
    assert_eq!(fixture.call(|store, backend| store.enable(backend)), Ok(Effect::Enabled));
    assert_eq!(fixture.call(|store, backend| store.enable(backend)), Ok(Effect::None));
    raised(&fixture, 0);
    assert_eq!(fixture.call(|store, backend| Ok(store.disable(backend))), Ok(Effect::Disabled));
    raised(&fixture, 1);
}

#[test]
fn authentication_needs_a_root_that_can_do_everything() {
    let mut fixture = Fixture::new();
    let enable = |fixture: &mut Fixture| fixture.call(|store, backend| store.enable(backend));
    assert_eq!(enable(&mut fixture), Err(Error::RootUserNotExist));
    fixture.user_add(ROOT).unwrap();
    assert_eq!(enable(&mut fixture), Err(Error::RootRoleNotExist));
    fixture.grant_role(ROOT, ROOT).unwrap();
    assert_eq!(enable(&mut fixture), Ok(Effect::Enabled));
    let row = fixture.opened.backend.get(Bucket::Auth, b"authEnabled").unwrap().unwrap();
    assert_eq!(row[..], [1]);
}

#[test]
fn nobody_locks_everybody_out() {
    let mut fixture = Fixture::enabled();
    fixture.role_add(ROOT).unwrap();
    assert_eq!(fixture.user_delete(ROOT), Err(Error::InvalidAuthMgmt));
    assert_eq!(fixture.role_delete(ROOT), Err(Error::InvalidAuthMgmt));
    assert_eq!(fixture.revoke_role(ROOT, ROOT), Err(Error::InvalidAuthMgmt));
    fixture.call(|store, backend| Ok(store.disable(backend))).unwrap();
    fixture.revoke_role(ROOT, ROOT).unwrap();
    fixture.role_delete(ROOT).unwrap();
    let gone = Effect::Invalidated { user: ROOT.to_owned() };
    assert_eq!(fixture.user_delete(ROOT), Ok(gone));
}

#[test]
fn refusals() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.user_add(""), Err(Error::UserEmpty));
    assert_eq!(fixture.user_delete("x"), Err(Error::UserNotFound));
    assert_eq!(fixture.change_password("x", ""), Err(Error::UserNotFound));
    assert_eq!(fixture.grant_role("x", "r"), Err(Error::UserNotFound));
    assert_eq!(fixture.revoke_role("x", "r"), Err(Error::UserNotFound));
    assert_eq!(fixture.role_add(""), Err(Error::RoleEmpty));
    assert_eq!(fixture.role_delete("r"), Err(Error::RoleNotFound));
    assert_eq!(fixture.grant("r", Type::Read, "k", ""), Err(Error::RoleNotFound));
    assert_eq!(fixture.revoke("r", "k", ""), Err(Error::RoleNotFound));
    assert_eq!(fixture.store.view().user_get("x"), Err(Error::UserNotFound));
    assert_eq!(fixture.store.view().role_get("r"), Err(Error::RoleNotFound));
    fixture.user_add("alice").unwrap();
    fixture.role_add("r").unwrap();
    assert_eq!(fixture.role_add("r"), Err(Error::RoleAlreadyExist));
    assert_eq!(fixture.grant_role("alice", "s"), Err(Error::RoleNotFound));
    assert_eq!(fixture.revoke_role("alice", "r"), Err(Error::RoleNotGranted));
    assert_eq!(fixture.revoke("r", "k", ""), Err(Error::PermissionNotGranted));
    for (key, range_end) in [("", ""), ("", "\0"), ("b", "a"), ("b", "b")] {
        assert_eq!(fixture.grant("r", Type::Read, key, range_end), Err(Error::InvalidAuthMgmt));
    }
    let nothing = AuthRoleGrantPermissionRequest { name: "r".to_owned(), perm: None };
    let outcome = fixture.call(|store, backend| store.role_grant_permission(backend, &nothing));
    assert_eq!(outcome, Err(Error::PermissionNotGiven));
    assert_eq!(fixture.change_password("alice", "no base64"), Err(Error::NoPasswordUser));
    assert_eq!(fixture.revision(), 3);
}

#[test]
fn texts_and_codes_are_the_api_s() {
    let wire = |error: Error| {
        let wire = proto::error::Error::from(error);
        assert_eq!(wire.text(), error.to_string());
        (wire.code().number(), wire.text())
    };
    assert_eq!(wire(Error::PermissionDenied), (7, "etcdserver: permission denied"));
    assert_eq!(wire(Error::AuthOldRevision), (3, "etcdserver: revision of auth store is old"));
    assert_eq!(wire(Error::InvalidAuthToken), (16, "etcdserver: invalid auth token"));
    assert_eq!(wire(Error::UserEmpty), (3, "etcdserver: user name is empty"));
}

#[test]
fn permissions_are_sorted_and_of_one_kind_each() {
    let mut fixture = Fixture::new();
    fixture.role_add("r").unwrap();
    for (kind, key, end) in [
        (Type::Read, "only", ""),
        (Type::Read, "from", "\0"),
        (Type::Write, "a", "c"),
        (Type::Read, "a", "b"),
        (Type::Readwrite, "from", "\0"),
    ] {
        fixture.grant("r", kind, key, end).unwrap();
    }
    let text = |kind, key: &str, end: &str| (kind, key.to_owned(), end.to_owned());
    let expected =
        [text(1, "a", "c"), text(0, "a", "b"), text(2, "from", "\0"), text(0, "only", "")];
    assert_eq!(fixture.permissions("r"), expected);
    // Only the first permission of a key is found again, as in Go.
    fixture.grant("r", Type::Write, "a", "b").unwrap();
    assert_eq!(fixture.permissions("r").len(), 5);
    fixture.revoke("r", "a", "b").unwrap();
    assert_eq!(fixture.permissions("r").len(), 3, "both entries");
    fixture.role_add(ROOT).unwrap();
    assert_eq!(fixture.permissions(ROOT), [text(2, "", "\0")]);
}

#[test]
fn a_deleted_role_goes_from_all_users_with_what_it_allowed() {
    let mut fixture = Fixture::new();
    for role in ["b", "a", "c"] {
        fixture.role_add(role).unwrap();
    }
    fixture.grant("b", Type::Read, "key", "").unwrap();
    for user in ["alice", "bob"] {
        fixture.user_add(user).unwrap();
        fixture.grant_role(user, "b").unwrap();
        fixture.grant_role(user, "a").unwrap();
    }
    assert_eq!(fixture.store.view().user_get("alice").unwrap(), ["a", "b"]);
    assert!(fixture.store.view().has_role("alice", "b"));
    let before = fixture.store.view().clone();
    fixture.role_delete("b").unwrap();
    assert_eq!(fixture.store.view().user_get("bob").unwrap(), ["a"]);
    assert_eq!(fixture.store.view().role_list(), ["a", "c"]);
    assert_eq!(fixture.store.view().user_list(), ["alice", "bob"]);
    assert_eq!(before.user_get("bob").unwrap(), ["a", "b"], "a view does not change");
}

#[test]
fn options_are_stored_even_when_empty_and_kept() {
    let mut fixture = Fixture::new();
    fixture.user_add("u").unwrap();
    let row = |fixture: &Fixture, name: &str| {
        fixture.opened.backend.get(Bucket::AuthUsers, name.as_bytes()).unwrap().unwrap().to_vec()
    };
    assert_eq!(row(&fixture, "u"), b"\x0a\x01u\x12\x04hash\x22\x00");
    let options = Some(UserAddOptions { no_password: true });
    let hashed_password = "aGFzaA==".to_owned();
    let name = "n".to_owned();
    let request =
        AuthUserAddRequest { name, options, hashed_password, ..AuthUserAddRequest::default() };
    fixture.call(|store, backend| store.user_add(backend, &request, Index(1))).unwrap();
    assert_eq!(row(&fixture, "n"), b"\x0a\x01n\x22\x02\x08\x01");
    fixture.change_password("n", "aGFzaA==").unwrap();
    assert_eq!(row(&fixture, "n"), b"\x0a\x01n\x22\x02\x08\x01", "still without");
    // A user from before 3.4 has no options and gets none.
    fixture.opened.backend.put(Bucket::AuthUsers, &b"old"[..], &b"\x0a\x03old"[..]);
    fixture.store = Store::open(&mut fixture.opened.backend).unwrap();
    fixture.change_password("old", "aGFzaA==").unwrap();
    assert_eq!(row(&fixture, "old"), b"\x0a\x03old\x12\x04hash");
}

#[test]
fn a_login_names_the_index_before_it() {
    let mut fixture = Fixture::new();
    let request = |name: &str| InternalAuthenticateRequest {
        name: name.to_owned(),
        password: String::new(),
        simple_token: "abcdefghijklmnop".to_owned(),
    };
    let login = |fixture: &Fixture, name| fixture.store.authenticate(&request(name), Index(202));
    assert_eq!(login(&fixture, ROOT), Err(Error::AuthNotEnabled));
    fixture = Fixture::enabled();
    let expected = Login {
        user: ROOT.to_owned(),
        revision: 3,
        simple_token: "abcdefghijklmnop.202".to_owned(),
    };
    assert_eq!(login(&fixture, ROOT), Ok(expected));
    assert_eq!(login(&fixture, "nobody"), Err(Error::AuthFailed));
    let options = Some(UserAddOptions { no_password: true });
    let request =
        AuthUserAddRequest { name: "n".to_owned(), options, ..AuthUserAddRequest::default() };
    fixture.call(|store, backend| store.user_add(backend, &request, Index(1))).unwrap();
    assert_eq!(login(&fixture, "n"), Err(Error::AuthFailed));
}

#[test]
fn damaged_rows_are_named_and_no_hash_is_shown() {
    let mut opened = open();
    opened.backend.put(Bucket::AuthUsers, &b"u"[..], &b"\x0a\x01v\x12\x03abc"[..]);
    let error = Store::open(&mut opened.backend).err().unwrap().to_string();
    assert!(error.contains("bucket authUsers") && !error.contains("abc"), "{error}");
    let mut opened = open();
    opened.backend.put(Bucket::Auth, &b"authEnabled"[..], &b"\x02"[..]);
    assert!(Store::open(&mut opened.backend).is_err());
}

/// Applies an entry's request about users and roles.
fn apply(fixture: &mut Fixture, request: &InternalRaftRequest, index: Index) -> Outcome {
    fixture.call(|store, backend| {
        if let Some(request) = &request.auth_role_add {
            store.role_add(backend, request)
        } else if let Some(request) = &request.auth_role_delete {
            store.role_delete(backend, request)
        } else if let Some(request) = &request.auth_role_grant_permission {
            store.role_grant_permission(backend, request)
        } else if let Some(request) = &request.auth_role_revoke_permission {
            store.role_revoke_permission(backend, request)
        } else if let Some(request) = &request.auth_user_add {
            store.user_add(backend, request, index)
        } else if let Some(request) = &request.auth_user_delete {
            store.user_delete(backend, request)
        } else if let Some(request) = &request.auth_user_change_password {
            store.user_change_password(backend, request, index)
        } else if let Some(request) = &request.auth_user_grant_role {
            store.user_grant_role(backend, request)
        } else if request.auth_enable.is_some() {
            store.enable(backend)
        } else {
            panic!("{request:?}")
        }
    })
}

const GOLDEN: [&str; 2] =
    [include_str!("../testdata/golden-3.5.1.txt"), include_str!("../testdata/golden-3.7.1.txt")];

#[test]
fn entries_of_the_real_etcd_leave_its_rows() {
    for text in GOLDEN {
        let golden = golden(text);
        let mut fixture = Fixture::new();
        for (index, _, data) in &golden.entries {
            let request = InternalRaftRequest::decode(&data[..]).unwrap();
            apply(&mut fixture, &request, Index(*index)).unwrap();
        }
        for bucket in [Bucket::Auth, Bucket::AuthRoles, Bucket::AuthUsers] {
            let rows = fixture.opened.backend.rows(bucket).unwrap();
            let rows: Vec<_> =
                rows.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
            assert_eq!(rows, golden.rows_of(bucket.name()), "{bucket}");
        }
        assert_eq!(golden.entries.len(), 18);
        let view = fixture.store.view();
        for (user, password, outcome) in [
            ("root", "rootpw", Ok(18)),
            ("alice", "alicepw2", Ok(18)),
            ("alice", "alicepw", Err(Error::AuthFailed)),
            ("nopw", "", Err(Error::NoPasswordUser)),
            ("gone", "", Err(Error::AuthFailed)),
        ] {
            let check = view.password_check(user, crate::password::Cost::MIN).unwrap();
            assert_eq!(check.run(password), outcome, "{user}");
        }
    }
}

#[test]
fn random_changes_keep_rows_and_memory_equal() {
    for seed in 0..20 {
        let mut rng = SeededRng::new(seed);
        let mut fixture = Fixture::new();
        for _ in 0..60 {
            let user = ["a", "b", "c", ROOT][rng.below(4) as usize];
            let role = ["r", "s", ROOT][rng.below(3) as usize];
            let key = ["k", "l", "m", "n"][rng.below(4) as usize];
            let end = ["", "\0", "m", "o"][rng.below(4) as usize];
            // Each call checks the rows against memory, and that a refusal changes nothing.
            _ = match rng.below(12) {
                0 | 1 => fixture.user_add(user),
                2 | 3 => fixture.role_add(role),
                4 | 5 => fixture.grant_role(user, role),
                6 | 7 => fixture.grant(role, Type::Readwrite, key, end),
                8 => fixture.revoke(role, key, end),
                9 => fixture.revoke_role(user, role),
                10 => fixture.role_delete(role),
                _ => fixture.user_delete(user),
            };
        }
    }
}
