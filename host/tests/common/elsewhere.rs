//! Callers on other machines: their tokens, certificates and connections over TLS.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reeve::{Network, TlsFiles};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::http::{self, Reply};

/// An authority, and the folder for what it signs.
pub(crate) struct Authority {
    dir: PathBuf,
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a caller shows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shows<'a> {
    pub(crate) token: Option<&'a str>,
    pub(crate) certificate: Option<&'a (CertificateDer<'static>, String)>,
}

impl Authority {
    /// An authority that has signed the pair of a host in this folder.
    pub(crate) fn new(dir: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let authority = Self {
            dir: dir.to_owned(),
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        };
        authority.renew();
        fs::write(dir.join("authority.pem"), &authority.pem).unwrap();
        authority
    }

    /// Replaces the host's pair by another one.
    pub(crate) fn renew(&self) {
        let (certificate, key) = self.sign("localhost");
        write_secret(&self.dir.join("host.key"), &key);
        fs::write(self.dir.join("host.pem"), pem_of(&certificate)).unwrap();
    }

    /// A certificate for this name, and its key in PEM.
    pub(crate) fn sign(&self, name: &str) -> (CertificateDer<'static>, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key.serialize_pem())
    }

    pub(crate) fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.dir.join("host.pem"),
            key: self.dir.join("host.key"),
            client_authorities: Some(self.dir.join("authority.pem")),
        }
    }

    /// A door for callers on other machines with these tokens.
    pub(crate) fn door(&self, tokens: &[&str]) -> Network {
        write_tokens(&self.dir.join("tokens.json"), tokens);
        Network {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: Some(self.files()),
            tokens: self.dir.join("tokens.json"),
            peer_connections_max: 64,
        }
    }

    /// Connects, and agrees on this protocol.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        protocol: &str,
        shows: Shows<'_>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows.certificate {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                use tokio_rustls::rustls::pki_types::pem::PemObject as _;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config
                    .with_client_auth_cert(vec![certificate.clone()], key)
                    .unwrap()
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// Sends a request over HTTP/1.1.
    pub(crate) async fn ask(
        &self,
        address: impl Into<Option<SocketAddr>>,
        method: &str,
        path: &str,
        shows: Shows<'_>,
    ) -> Reply {
        let address = address.into().unwrap();
        let stream = self.connect(address, "http/1.1", shows).await.unwrap();
        let bearer = shows.token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer
            .iter()
            .map(|it| ("Authorization", it.as_str()))
            .collect();
        http::over(stream, method, path, &headers).await
    }
}

/// A token's text. Its name is the part before its first dot.
pub(crate) fn token(name: &str) -> String {
    format!("rct1.{name}.secret-of-{name}")
}

/// Writes the file with the tokens of these names.
pub(crate) fn write_tokens(path: &Path, names: &[&str]) {
    let token = |name: &&str| {
        let hash = hex::encode(Sha256::digest(token(name)));
        serde_json::json!({
            "name": name, "hash": hash, "created_at": "2026-01-01T00:00:00Z", "expires_at": null
        })
    };
    let tokens: Vec<_> = names.iter().map(token).collect();
    write_secret(path, &serde_json::json!({ "tokens": tokens }).to_string());
}

/// Writes a file that only its owner may read, in the place of one that is there.
pub(crate) fn write_secret(path: &Path, text: &str) {
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, text).unwrap();
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&unfinished, path).unwrap();
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
