//! TLS of the doors for other machines: a certificate, its key, and whose certificates callers may
//! show. The files are read again when they change.
//!
//! - [`names`]: whom a caller's certificate is for.

mod names;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

use crate::file_watch::FileWatch;
use crate::secret_file::{self, SecretFileError};

pub(crate) use names::names;

/// What a client may speak inside TLS (ALPN), the better first.
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The files of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain of certificates of this host, its own first, in PEM.
    pub certificate: PathBuf,
    /// The key of that certificate, in PEM. Only its owner may read the file.
    pub key: PathBuf,
    /// The authorities of callers' certificates, in PEM. `None`: no certificate counts.
    pub client_authorities: Option<PathBuf>,
}

/// Why TLS cannot be served with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key's file cannot be used.
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// A file is not in PEM, or lacks what is to be in it.
    #[error("{} has no {what} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it is to have.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind that is not served with.
    #[error("cannot serve TLS with the certificate {} and the key {}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// The authorities of callers cannot be used.
    #[error("cannot check certificates by the authorities in {}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: AuthorityError,
    },
}

/// What is wrong with an authority.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum AuthorityError {
    /// It cannot be read as a certificate.
    Certificate(#[from] rustls::Error),
    /// No verifier can be made of the authorities.
    Verifier(#[from] VerifierBuilderError),
}

/// TLS as it is served at present.
pub(crate) struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files, and watches them for [`watch`](Self::watch).
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn open(files: TlsFiles) -> Result<(Arc<Self>, FileWatch), TlsError> {
        let paths = [
            Some(&files.certificate),
            Some(&files.key),
            files.client_authorities.as_ref(),
        ];
        let watch = FileWatch::new(paths.into_iter().flatten().cloned().collect());
        let current = ArcSwap::new(read(&files)?);
        Ok((Arc::new(Self { files, current }), watch))
    }

    /// Reads the files again whenever they have changed, for ever. A pair that cannot be served leaves
    /// the last good one in force.
    pub(crate) async fn watch(&self, mut files: FileWatch) {
        loop {
            files.changed().await;
            match read(&self.files) {
                Ok(config) => {
                    self.current.store(config);
                    tracing::info!(
                        certificate = %self.files.certificate.display(),
                        "the files of TLS have changed; new connections get the new certificate"
                    );
                }
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    tracing::error!(
                        "the files of TLS have changed and cannot be used; the last good ones stay in force: {error:#}"
                    );
                }
            }
        }
    }

    /// Greets the next connection. Connections that are open keep what they began with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = secret_file::read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
    let key = key.map_err(|source| TlsError::Pem {
        path: files.key.clone(),
        what: "private key",
        source,
    })?;
    let provider = Arc::new(ring::default_provider());
    let unusable = |source| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    };
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let config = match &files.client_authorities {
        None => config.with_no_client_auth(),
        Some(path) => {
            let verifier = verifier(path, provider)?;
            config.with_client_cert_verifier(verifier)
        }
    };
    let mut config = config.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    Ok(Arc::new(config))
}

/// Accepts callers without a certificate too: they may show a token instead.
fn verifier(
    path: &Path,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let failed = |source| TlsError::Authorities {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|error| failed(error.into()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.allow_unauthenticated().build();
    verifier.map_err(|error| failed(error.into()))
}

/// All certificates in a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem {
        path: path.to_owned(),
        what: "certificate",
        source,
    };
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect();
    match all {
        Ok(none) if none.is_empty() => Err(failed(pem::Error::NoItemsFound)),
        Ok(all) => Ok(all),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::SystemTime;

    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio_rustls::rustls::pki_types::UnixTime;

    use super::*;

    fn authority() -> (CertificateParams, KeyPair) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate().unwrap())
    }

    #[test]
    fn a_pair_that_does_not_fit_is_refused_with_both_files() {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: dir.path().join("host.pem"),
            key: dir.path().join("host.key"),
            client_authorities: None,
        };
        let (params, key) = authority();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(&files.certificate, certificate.pem()).unwrap();
        let write_key = |key: &KeyPair| {
            fs::write(&files.key, key.serialize_pem()).unwrap();
            fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        };
        write_key(&KeyPair::generate().unwrap());
        let error = Tls::open(files.clone()).err().unwrap().to_string();
        assert!(
            error.contains("host.pem") && error.contains("host.key"),
            "{error}"
        );
        write_key(&key);
        assert!(Tls::open(files.clone()).is_ok());
        fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\n!\n").unwrap();
        assert!(matches!(Tls::open(files), Err(TlsError::Pem { .. })));
    }

    /// `REEVE_SEED=17 REEVE_MUTATED=100000` tries other and more ones.
    #[test]
    fn no_mutated_certificate_speaks_for_its_name() {
        let number = |name: &str, usual: u64| {
            let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
            given.unwrap_or(usual)
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("authority.pem");
        let (params, key) = authority();
        fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        let verifier = verifier(&path, Arc::new(ring::default_provider())).unwrap();
        let issuer = Issuer::new(params, key);
        let client = CertificateParams::new(vec!["build.example.org".to_owned()]).unwrap();
        let sound = client
            .signed_by(&KeyPair::generate().unwrap(), &issuer)
            .unwrap();
        let now = UnixTime::since_unix_epoch(SystemTime::UNIX_EPOCH.elapsed().unwrap());
        let is_accepted =
            |it: &CertificateDer<'_>| verifier.verify_client_cert(it, &[], now).is_ok();
        assert!(is_accepted(sound.der()));
        assert_eq!(names(sound.der()), ["build.example.org"]);
        let seed = number("REEVE_SEED", 1);
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..number("REEVE_MUTATED", 2_000) {
            let mut bytes = sound.der().to_vec();
            let draw = chance.next_u64();
            let place = usize::try_from(draw >> 8).unwrap() % bytes.len();
            match draw % 4 {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, bytes[place]),
                _ => bytes[place] ^= 1 << (draw % 7),
            }
            let mutated = CertificateDer::from(bytes);
            assert!(!is_accepted(&mutated), "seed {seed}: byte {place}");
        }
    }
}
