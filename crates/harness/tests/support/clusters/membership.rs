//! Changes of membership through one member, tried until the cluster is ready for them.

use client::Channel;
use client::grpc::etcdserverpb::cluster_client::ClusterClient;
use load::Api;
use proto::etcdserverpb::{
    MemberAddRequest, MemberListRequest, MemberPromoteRequest, MemberRemoveRequest,
    MemberUpdateRequest, MoveLeaderRequest,
};
use std::time::{Duration, Instant};
use tonic::{Response, Status};

const DIAL_MAX: Duration = Duration::from_secs(2);

/// A change is refused while connections are young, or while a learner is behind.
const READY_MAX: Duration = Duration::from_secs(60);

const TRY_PAUSE: Duration = Duration::from_millis(200);

/// See the module.
pub struct Membership {
    endpoint: String,
}

/// What a member says of another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub id: u64,
    pub name: String,
    pub peer_urls: Vec<String>,
    pub is_learner: bool,
}

impl Membership {
    pub fn through(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned() }
    }

    /// Tries until it is done.
    async fn until_done<T>(&self, what: &str, call: impl AsyncFn(Api) -> Result<T, Status>) -> T {
        let start = Instant::now();
        loop {
            let last = match Api::connect(&self.endpoint, DIAL_MAX).await {
                Ok(api) => match call(api).await {
                    Ok(done) => return done,
                    Err(status) => status.message().to_owned(),
                },
                Err(error) => format!("{error:#}"),
            };
            assert!(start.elapsed() < READY_MAX, "{what} through {}: {last}", self.endpoint);
            tokio::time::sleep(TRY_PAUSE).await;
        }
    }

    /// The member's own id.
    pub async fn id(&self) -> u64 {
        let status = self.until_done("status", async |api| api.status().await).await;
        status.header.map_or(0, |header| header.member_id)
    }

    /// The index up to which the member has applied.
    pub async fn applied(&self) -> u64 {
        self.until_done("status", async |api| api.status().await).await.raft_applied_index
    }

    /// All members, as this one knows them.
    pub async fn list(&self) -> Vec<Listed> {
        let request = MemberListRequest { linearizable: false };
        let members = self.until_done("member list", async |api| {
            cluster(api).member_list(request).await.map(Response::into_inner)
        });
        let listed = |member: proto::etcdserverpb::Member| Listed {
            id: member.id,
            name: member.name,
            peer_urls: member.peer_urls,
            is_learner: member.is_learner,
        };
        members.await.members.into_iter().map(listed).collect()
    }

    pub async fn move_leader(&self, target_id: u64) -> Result<(), Status> {
        let api = Api::connect(&self.endpoint, DIAL_MAX).await;
        let api = api.map_err(|error| Status::unavailable(error.to_string()))?;
        api.maintenance.clone().move_leader(MoveLeaderRequest { target_id }).await.map(drop)
    }

    pub async fn add_learner(&self, url: &str) {
        self.until_done("member add", async |api| {
            let (peer_urls, is_learner) = (vec![url.to_owned()], true);
            let added = cluster(api).member_add(MemberAddRequest { peer_urls, is_learner }).await;
            already(added, "Peer URLs already exists")
        })
        .await;
    }

    pub async fn promote(&self, id: u64) {
        self.until_done("member promote", async |api| {
            let promoted = cluster(api).member_promote(MemberPromoteRequest { id }).await;
            already(promoted, "can only promote a learner member")
        })
        .await;
    }

    pub async fn update(&self, id: u64, urls: &[String]) {
        self.until_done("member update", async |api| {
            let request = MemberUpdateRequest { id, peer_urls: urls.to_vec() };
            cluster(api).member_update(request).await.map(drop)
        })
        .await;
    }

    pub async fn remove(&self, id: u64) {
        self.until_done("member remove", async |api| {
            let removed = cluster(api).member_remove(MemberRemoveRequest { id }).await;
            already(removed, "member not found")
        })
        .await;
    }
}

fn cluster(api: Api) -> ClusterClient<Channel> {
    api.cluster
}

/// A change whose answer was lost is refused the second time, since it is done.
fn already<T>(result: Result<Response<T>, Status>, refusal: &str) -> Result<(), Status> {
    match result {
        Err(status) if status.message().ends_with(refusal) => Ok(()),
        result => result.map(drop),
    }
}
