//! `etcdserverpb.Auth`.

use api::Service;
use proto::etcdserverpb as pb;

use crate::adapter::{Adapter, unary};
use crate::grpc::etcdserverpb::auth_server::Auth;

#[tonic::async_trait]
impl<S: Service> Auth for Adapter<S> {
    unary! {
        auth_enable(pb::AuthEnableRequest) -> pb::AuthEnableResponse;
        auth_disable(pb::AuthDisableRequest) -> pb::AuthDisableResponse;
        auth_status(pb::AuthStatusRequest) -> pb::AuthStatusResponse;
        authenticate(pb::AuthenticateRequest) -> pb::AuthenticateResponse;
        user_add(pb::AuthUserAddRequest) -> pb::AuthUserAddResponse;
        user_get(pb::AuthUserGetRequest) -> pb::AuthUserGetResponse;
        user_list(pb::AuthUserListRequest) -> pb::AuthUserListResponse;
        user_delete(pb::AuthUserDeleteRequest) -> pb::AuthUserDeleteResponse;
        user_change_password(pb::AuthUserChangePasswordRequest)
            -> pb::AuthUserChangePasswordResponse;
        user_grant_role(pb::AuthUserGrantRoleRequest) -> pb::AuthUserGrantRoleResponse;
        user_revoke_role(pb::AuthUserRevokeRoleRequest) -> pb::AuthUserRevokeRoleResponse;
        role_add(pb::AuthRoleAddRequest) -> pb::AuthRoleAddResponse;
        role_get(pb::AuthRoleGetRequest) -> pb::AuthRoleGetResponse;
        role_list(pb::AuthRoleListRequest) -> pb::AuthRoleListResponse;
        role_delete(pb::AuthRoleDeleteRequest) -> pb::AuthRoleDeleteResponse;
        role_grant_permission(pb::AuthRoleGrantPermissionRequest)
            -> pb::AuthRoleGrantPermissionResponse;
        role_revoke_permission(pb::AuthRoleRevokePermissionRequest)
            -> pb::AuthRoleRevokePermissionResponse;
    }
}
