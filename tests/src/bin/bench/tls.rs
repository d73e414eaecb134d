//! A resolve through the door for callers on other machines, over TLS: with a token, and with a
//! session of a login by AWS IAM. Compared with a handler that returns a constant over TLS.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use reeve::access::{Access, Role, Rule, Who};
use reeve::config::Network;
use reeve::{Endpoint, IamOptions, TlsFiles};
use reeve_identity::testing::sts::{Caller, Sts};
use reeve_sim::store::{MemoryLedger, MemoryStore};
use reeve_tests::gateway::Gateway;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Builder;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::http::{self, CONSTANT, FLEET, RESOLVE, ROUNDS, TURN, any_port, steady_answer};
use crate::load::{Asked, Connection, FEW, Load, Shown, generate, middle};

/// The name in the certificate of both servers.
const NAME: &str = "localhost";
const TOKEN: &str = "rct1.bench.A token of the bench, whose hash is in the file";
const REGION: &str = "us-east-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/caller";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/caller/a-function";

/// The medians over the rounds.
pub(crate) struct OverTls {
    pub(crate) by_token: Load,
    pub(crate) by_session: Load,
    pub(crate) constant: Load,
}

/// The pair of both servers, which its clients trust.
struct Pair {
    files: TlsFiles,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Pair {
    fn make(dir: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?;
        let files = TlsFiles {
            certificate: dir.join("host.pem"),
            key: dir.join("host.key"),
            client_authorities: None,
        };
        fs::write(&files.certificate, certificate.pem())?;
        write_secret(&files.key, &key.serialize_pem())?;
        let der = CertificateDer::from(certificate.der().to_vec());
        let mut roots = RootCertStore::empty();
        roots.add(der.clone())?;
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?;
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![der], key)?;
        Ok(Self {
            files,
            client: Arc::new(client),
            server: Arc::new(server),
        })
    }
}

/// Starts both servers and measures three kinds of requests in turn.
pub(crate) fn measure(policies: &Path) -> Result<OverTls> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let dir = tempfile::tempdir()?;
    let pair = Pair::make(dir.path())?;
    let (caller, sts) = sts();
    let door = http::Door {
        network: Network {
            listen: any_port(),
            tls: Some(pair.files.clone()),
            tokens: tokens(dir.path())?,
            peer_connections_max: 64,
        },
        access: Access::new(vec![Rule {
            who: vec![
                Who::Token("bench".to_owned()),
                Who::Iam(ROLE.parse()?),
                Who::Loopback,
            ],
            roles: [Role::Resolve].into(),
            pools: None,
            workers: None,
            per_second: Some(NonZeroU32::MAX),
        }]),
        iam: IamOptions {
            regions: vec![REGION.to_owned()],
            endpoint: Endpoint::parse(&sts.url()),
            ledger: Arc::new(MemoryLedger::default()),
        },
    };
    let store = Arc::new(MemoryStore::new(false));
    let state = dir.path().join("state");
    let host = runtime.block_on(http::start_host(policies, &state, store, Some(door)))?;
    let network = host
        .network_address()
        .context("the host has no such door")?;
    let local = host.address().context("the host listens on no address")?;
    let body = steady_answer(local, RESOLVE)?;
    let constant = http::serve_constant(&runtime, body.into(), Some(Arc::clone(&pair.server)))?;
    let session = log_in(network, &pair, &caller)?;

    let shown = |token| Shown {
        tls: Some(&pair.client),
        token,
    };
    let get = |path, token| Asked {
        path,
        shown: shown(token),
        ..Asked::default()
    };
    let kinds = [
        (network, get(RESOLVE, Some(TOKEN))),
        (network, get(RESOLVE, Some(&session))),
        (constant, get(CONSTANT, None)),
    ];
    let mut loads = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // The first one alternates, so that a machine that grows slower favours none.
        for turn in 0..kinds.len() {
            let kind = (round + turn) % kinds.len();
            let (address, asked) = kinds[kind];
            loads[kind].push(generate(address, asked, FEW, TURN)?);
        }
    }
    host.shutdown().begin();
    runtime.block_on(host.join())?;
    let [by_token, by_session, constant] = loads.map(|of_kind| middle(&of_kind));
    Ok(OverTls {
        by_token,
        by_session,
        constant,
    })
}

/// The file with the hash of the token.
fn tokens(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("tokens.json");
    let token = json!({
        "name": "bench", "hash": hex::encode(Sha256::digest(TOKEN)),
        "created_at": "2026-01-01T00:00:00Z", "expires_at": null,
    });
    write_secret(&path, &json!({ "tokens": [token] }).to_string())?;
    Ok(path)
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// A caller, and an STS that knows it.
fn sts() -> (Caller, Gateway) {
    let caller = Caller {
        access_key: "ASIA0000000000000001".to_owned(),
        secret_key: "secret-of-the-bench".to_owned(),
        security_token: Some("token-of-the-bench".to_owned()),
    };
    let sts = Sts::new(REGION).with(&caller, SESSION);
    let in_place = Box::new(move |call: &[u8]| crate::sts::answer(&sts, call));
    // Nothing else is asked for, so nothing is behind it.
    (caller, Gateway::start_with("http://127.0.0.1:9", in_place))
}

/// The token of a session.
fn log_in(network: SocketAddr, pair: &Pair, caller: &Caller) -> Result<String> {
    let login = serde_json::to_string(&caller.sign(REGION, FLEET, Timestamp::now()))?;
    let asked = Asked {
        path: "/v1/login",
        body: Some(&login),
        shown: Shown {
            tls: Some(&pair.client),
            token: None,
        },
        ..Asked::default()
    };
    let answer = Connection::asking(network, asked)?.ask()?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(
        answer.status == 200,
        "the login was answered with {} {text}",
        answer.status
    );
    let session: Value = serde_json::from_str(&text)?;
    let token = session["token"]
        .as_str()
        .context("a session without a token")?;
    Ok(token.to_owned())
}
