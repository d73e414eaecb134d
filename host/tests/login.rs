//! Logins by AWS IAM: a caller without a secret, a host, and an STS that verifies signatures.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::elsewhere::{Authority, Shows};
use common::http::Reply;
use common::{POINTER, Stage, end, http, sts};
use jiff::{SignedDuration, Timestamp};
use reeve::access::{Access, Role, Rule, Who};
use reeve::config::BoxRole;
use reeve::{BoxesOptions, Endpoint, Host, IamOptions, Proofs, RunningHost};
use reeve_core::boxes::ProofKind;
use reeve_core::spec::BoxSpec;
use reeve_identity::Verifier;
use reeve_identity::login::Login;
use reeve_identity::testing::sts::{Caller, Signing, Sts};
use reeve_sim::store::MemoryLedger;
use reeve_sim::world::BOX_ROLE;
use serde_json::json;

const REGION: &str = "us-east-1";
/// The fleet of the stage.
const FLEET: &str = "test";
const ROLE: &str = "arn:aws:iam::123456789012:role/chat-caller";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/chat-caller/a-function";
const ANOTHER: &str = "arn:aws:sts::123456789012:assumed-role/another/a-function";

fn caller(name: &str) -> Caller {
    Caller {
        access_key: format!("ASIA{name:0>16}"),
        secret_key: format!("secret of {name}"),
        security_token: Some(format!("token-of-{name}")),
    }
}

/// Callers, and instances by the role that they run with.
fn signers() -> Sts {
    let session =
        |role: &str, name: &str| format!("arn:aws:sts::123456789012:assumed-role/{role}/{name}");
    Sts::new(REGION)
        .with(&caller("CHAT"), SESSION)
        .with(&caller("OTHER"), ANOTHER)
        .with(&caller("BOX"), &session(BOX_ROLE, "i-a"))
        .with(&caller("NEWCOMER"), &session(BOX_ROLE, "i-b"))
        .with(&caller("IMPOSTOR"), &session("another", "i-a"))
}

/// A world, an STS, and hosts of one fleet.
struct World {
    stage: Stage,
    authority: Authority,
    sts: sts::Running,
    ledger: MemoryLedger,
}

impl World {
    async fn new(delay: Duration) -> Self {
        let stage = Stage::new();
        stage.world.add_running("i-a", "chat");
        stage.world.point(POINTER, "i-a");
        let authority = Authority::new(stage.dir.path());
        Self {
            stage,
            authority,
            sts: sts::Running::start(signers(), delay).await,
            ledger: MemoryLedger::default(),
        }
    }

    async fn host(&self, name: &str) -> RunningHost {
        let mut options = self.stage.options();
        options.state_dir = self.stage.dir.path().join(name);
        options.access = Access::new(vec![Rule {
            who: vec![Who::Iam(ROLE.parse().unwrap())],
            roles: [Role::Resolve].into(),
            pools: None,
            workers: None,
            per_second: None,
        }]);
        options.network = Some(self.authority.door(&[]));
        options.iam = Some(self.iam());
        Host::start(options).await.unwrap()
    }

    fn iam(&self) -> IamOptions {
        IamOptions {
            regions: vec![REGION.to_owned()],
            endpoint: Endpoint::parse(&self.sts.url),
            ledger: Arc::new(self.ledger.clone()),
        }
    }

    /// A host whose boxes prove themselves by the role of their instances.
    async fn host_for_boxes(&self) -> RunningHost {
        let mut options = self.stage.options();
        for pool in options.spec.pools.values_mut() {
            pool.boxes = Some(BoxSpec::new(ProofKind::IamRole));
        }
        let role = BoxRole {
            arn: format!("arn:aws:iam::123456789012:role/{BOX_ROLE}")
                .parse()
                .unwrap(),
            shown_as: BOX_ROLE.to_owned(),
        };
        options.boxes = Some(BoxesOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            proofs: Proofs::new(Verifier::pinned()).with_role("gpu".into(), role),
            peer_connections_max: 64,
        });
        options.iam = Some(self.iam());
        let host = Host::start(options).await.unwrap();
        let reply = common::get(&host, "/v1/workers/chat/resolve").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        host
    }

    async fn post(&self, host: &RunningHost, path: &str, body: &str, token: Option<&str>) -> Reply {
        let address = host.network_address().unwrap();
        let stream = self
            .authority
            .connect(address, "http/1.1", Shows::default());
        let length = body.len().to_string();
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Length", length.as_str())];
        headers.extend(bearer.iter().map(|it| ("Authorization", it.as_str())));
        http::over_with(stream.await.unwrap(), "POST", path, &headers, body).await
    }

    async fn log_in(&self, host: &RunningHost, signed: &reeve_identity::login::Login) -> Reply {
        let body = serde_json::to_string(signed).unwrap();
        self.post(host, "/v1/login", &body, None).await
    }

    async fn resolve(&self, host: &RunningHost, token: &str) -> Reply {
        self.post(host, "/v1/workers/chat/resolve", "", Some(token))
            .await
    }
}

fn token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_logs_in_by_its_role_and_its_session_counts_on_every_host() {
    let mut world = World::new(Duration::ZERO).await;
    let (one, other) = (world.host("one").await, world.host("other").await);
    let signed = caller("CHAT").sign(REGION, FLEET, Timestamp::now());
    let reply = world.log_in(&one, &signed).await;
    assert_eq!(reply.json()["expires_in_ms"], 900_000, "{}", reply.body);
    let token = token(&reply);
    for host in [&one, &other] {
        let reply = world.resolve(host, &token).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let guessed = world.resolve(host, &token.replace("rst1.", "rst1.x")).await;
        assert_eq!(guessed.status, 401);
    }
    // A signature counts once, on whichever host.
    for host in [&one, &other] {
        let reply = world.log_in(host, &signed).await;
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (401, Some("login_replayed"))
        );
    }
    // A session lives on while STS is away, and no other caller logs in.
    world.sts.end().await;
    assert_eq!(world.resolve(&other, &token).await.status, 200);
    let later = Timestamp::now() + SignedDuration::from_secs(1);
    let reply = world
        .log_in(&one, &caller("CHAT").sign(REGION, FLEET, later))
        .await;
    assert_eq!(
        (reply.status, reply.json()["code"].as_str()),
        (503, Some("sts_unreachable"))
    );
    end(one).await;
    end(other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_for_another_fleet_from_a_stranger_or_of_another_time_begins_no_session() {
    let world = World::new(Duration::ZERO).await;
    let host = world.host("one").await;
    let now = Timestamp::now();
    let hour = SignedDuration::from_hours(1);
    let forged = Caller {
        secret_key: "guessed".to_owned(),
        ..caller("CHAT")
    };
    let without_audience = Signing::new(REGION, FLEET, now).without("x-reeve-audience");
    let cases = [
        (caller("CHAT").sign(REGION, "prod", now), 401, 1),
        (forged.sign(REGION, FLEET, now), 401, 1),
        (caller("STRANGER").sign(REGION, FLEET, now), 401, 1),
        (caller("OTHER").sign(REGION, FLEET, now), 403, 1),
        (caller("CHAT").sign("eu-west-1", FLEET, now), 401, 0),
        (caller("CHAT").sign(REGION, FLEET, now - hour), 401, 0),
        (caller("CHAT").sign(REGION, FLEET, now + hour), 401, 0),
        (caller("CHAT").sign_request(&without_audience), 401, 0),
    ];
    for (signed, status, asked) in cases {
        let before = world.sts.asked();
        for _ in 0..3 {
            let reply = world.log_in(&host, &signed).await;
            let is_again = reply.json()["code"] == "login_replayed";
            assert!(
                reply.status == status || is_again,
                "{}: {}",
                reply.status,
                reply.body
            );
            assert!(!reply.body.contains("secret of"), "{}", reply.body);
            assert!(!reply.body.contains("token-of"), "{}", reply.body);
        }
        assert_eq!(
            world.sts.asked() - before,
            asked,
            "STS is asked once at most: {signed:?}"
        );
    }
    for body in ["", "{}", "[]", "{\"region\": 1}", &"x".repeat(20_000)] {
        let reply = world.post(&host, "/v1/login", body, None).await;
        assert!(
            [401, 413].contains(&reply.status),
            "{}: {}",
            reply.status,
            reply.body
        );
    }
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_logs_in_all_at_once_has_two_questions_under_way() {
    let world = World::new(Duration::from_millis(500)).await;
    let host = world.host("one").await;
    let now = Timestamp::now();
    let logins = (0..6).map(|second| {
        let at = now - SignedDuration::from_secs(second);
        let signed = caller("CHAT").sign(REGION, FLEET, at);
        let (world, host) = (&world, &host);
        async move { world.log_in(host, &signed).await.status }
    });
    let statuses = common::all(logins.collect()).await;
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(200), count(503)), (2, 4), "{statuses:?}");
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_caller_logs_in_without_tls_or_through_a_local_door() {
    let world = World::new(Duration::ZERO).await;
    let mut options = world.stage.options();
    options.access = Access::new(vec![Rule {
        who: vec![Who::Iam(ROLE.parse().unwrap()), Who::Loopback],
        roles: Role::ALL.into(),
        pools: None,
        workers: None,
        per_second: None,
    }]);
    let mut network = world.authority.door(&[]);
    network.tls = None;
    options.network = Some(network);
    options.iam = Some(world.iam());
    let host = Host::start(options).await.unwrap();
    let signed = caller("CHAT").sign(REGION, FLEET, Timestamp::now());
    let body = serde_json::to_string(&signed).unwrap();
    let plain = http::post(host.network_address(), "/v1/login", None, &body).await;
    assert_eq!(
        (plain.status, plain.json()["code"].as_str()),
        (403, Some("needs_tls"))
    );
    let local = http::post(host.address(), "/v1/login", None, &body).await;
    assert_eq!(local.status, 404);
    assert_eq!(world.sts.asked(), 0);
    end(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_is_the_instance_that_its_role_s_session_is_named_after() {
    let world = World::new(Duration::ZERO).await;
    let host = world.host_for_boxes().await;
    let register = async |signed: &Login| {
        let body = json!({"nonce": "drawn by the box at random", "login": signed}).to_string();
        let path = "/v1/workers/chat/register";
        http::post(host.boxes_address().unwrap(), path, None, &body).await
    };
    let now = Timestamp::now();
    let forged = Caller {
        secret_key: "guessed".to_owned(),
        ..caller("BOX")
    };
    let wrong = [
        (forged.sign(REGION, FLEET, now), 401, "sts_refused"),
        (caller("BOX").sign(REGION, "prod", now), 401, "sts_refused"),
        (
            caller("BOX").sign("eu-west-1", FLEET, now),
            401,
            "login_region_unknown",
        ),
        (
            caller("IMPOSTOR").sign(REGION, FLEET, now),
            403,
            "proof_wrong",
        ),
        (caller("CHAT").sign(REGION, FLEET, now), 403, "proof_wrong"),
        (
            caller("NEWCOMER").sign(REGION, FLEET, now),
            401,
            "instance_not_visible",
        ),
    ];
    for (signed, status, code) in wrong {
        let reply = register(&signed).await;
        let found = reply.json()["code"].as_str().map(str::to_owned);
        assert_eq!(
            (reply.status, found.as_deref()),
            (status, Some(code)),
            "{}",
            reply.body
        );
        assert!(!reply.body.contains("token-of"), "{}", reply.body);
    }
    let signed = caller("BOX").sign(REGION, FLEET, now);
    let token = token(&register(&signed).await);
    let beat = "/v1/workers/chat/heartbeat";
    let reply = http::post(host.boxes_address().unwrap(), beat, Some(&token), "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let again = register(&signed).await;
    assert_eq!(
        (again.status, again.json()["code"].as_str()),
        (401, Some("login_replayed"))
    );
    end(host).await;
}
