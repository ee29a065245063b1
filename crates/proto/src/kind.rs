//! What a request in the log asks for, by name.

use crate::etcdserverpb::InternalRaftRequest;

macro_rules! kinds {
    ($( $name:ident: $field:ident; )*) => {
        /// What a request in the log asks for, in the order in which etcd looks.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs)]
        pub enum RequestKind {
            $($name,)*
            /// Nothing that is known here.
            Unknown,
        }

        impl RequestKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)* Self::Unknown];

            /// What a request asks for.
            #[must_use]
            pub const fn of(request: &InternalRaftRequest) -> Self {
                $(if request.$field.is_some() {
                    return Self::$name;
                })*
                Self::Unknown
            }

            /// Its name in metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Unknown => "Unknown",
                }
            }

            /// The name of its field in the message.
            #[must_use]
            pub const fn field(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($field),)*
                    Self::Unknown => "unknown",
                }
            }
        }
    };
}

kinds! {
    ClusterVersionSet: cluster_version_set;
    ClusterMemberAttrSet: cluster_member_attr_set;
    DowngradeInfoSet: downgrade_info_set;
    DowngradeVersionTest: downgrade_version_test;
    Range: range;
    Put: put;
    DeleteRange: delete_range;
    Txn: txn;
    Compaction: compaction;
    LeaseGrant: lease_grant;
    LeaseRevoke: lease_revoke;
    LeaseCheckpoint: lease_checkpoint;
    Alarm: alarm;
    Authenticate: authenticate;
    AuthEnable: auth_enable;
    AuthDisable: auth_disable;
    AuthStatus: auth_status;
    AuthUserAdd: auth_user_add;
    AuthUserDelete: auth_user_delete;
    AuthUserChangePassword: auth_user_change_password;
    AuthUserGrantRole: auth_user_grant_role;
    AuthUserGet: auth_user_get;
    AuthUserRevokeRole: auth_user_revoke_role;
    AuthRoleAdd: auth_role_add;
    AuthRoleGrantPermission: auth_role_grant_permission;
    AuthRoleGet: auth_role_get;
    AuthRoleRevokePermission: auth_role_revoke_permission;
    AuthRoleDelete: auth_role_delete;
    AuthUserList: auth_user_list;
    AuthRoleList: auth_role_list;
}
