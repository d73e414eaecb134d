//! How this host verifies boxes: by AWS's signature on an instance identity document, by a login with
//! the instance's role, or by a shared secret.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use reeve_core::boxes::{Claim, Proof};
use reeve_core::id::{InstanceId, PoolName};
use reeve_core::token::SecretHash;
use reeve_identity::login::{Login, PrincipalKind};
use reeve_identity::{CertificateError, Verifier};

use crate::config::{self, BoxRole};
use crate::secret_file::{self, SecretFileError};
use crate::sts::{NotProven, Sts};
use crate::tls::TlsFiles;

/// A guessed secret would let any machine on the network pose as a box. 32 characters of base64
/// hold 192 bits.
const SECRET_BYTES_MIN: usize = 32;

/// Where boxes register, and how the host verifies them.
pub struct BoxesOptions {
    /// Where the interface for boxes listens.
    pub listen: SocketAddr,
    /// The files of TLS. `None`: it is served without.
    pub tls: Option<TlsFiles>,
    /// How this host verifies boxes.
    pub proofs: Proofs,
    /// How many connections one address may have at a time.
    pub peer_connections_max: usize,
}

/// Verifies the proofs that boxes send.
pub struct Proofs {
    verifier: Verifier,
    /// Of each pool whose boxes share one. A box of one pool knows no other pool's.
    secrets: BTreeMap<PoolName, SecretHash>,
    /// Of each pool whose boxes prove themselves by one.
    roles: BTreeMap<PoolName, BoxRole>,
}

/// Why the host cannot verify proofs of boxes.
#[derive(Debug, thiserror::Error)]
pub enum BoxesError {
    /// A file that the configuration names cannot be read.
    #[error("cannot read {}, which [boxes] names", path.display())]
    Unreadable {
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The secret's file cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// The secret is too short.
    #[error(
        "the secret in {} has {found} bytes; accepted: at least {SECRET_BYTES_MIN}, such as the output of `openssl rand -base64 32`",
        path.display()
    )]
    SecretTooShort {
        /// The secret's file.
        path: PathBuf,
        /// The secret's length without surrounding white space.
        found: usize,
    },
    /// A certificate that cannot verify documents.
    #[error("cannot use the certificate in {}", path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// Why it cannot be used.
        #[source]
        source: CertificateError,
    },
}

impl BoxesOptions {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// [`BoxesError`].
    pub fn read(config: &config::Boxes) -> Result<Self, BoxesError> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|source| BoxesError::Unreadable {
                path: path.clone(),
                source,
            })
        };
        let mut proofs = Proofs::new(Verifier::pinned());
        for (region, path) in &config.certificates {
            let verifier = proofs
                .verifier
                .with_certificate(region.clone(), &read(path)?);
            proofs.verifier = verifier.map_err(|source| BoxesError::Certificate {
                path: path.clone(),
                source,
            })?;
        }
        proofs.roles.clone_from(&config.roles);
        for (pool, path) in &config.secrets {
            let text = secret_file::read(path)?;
            let secret = text.trim();
            if secret.len() < SECRET_BYTES_MIN {
                return Err(BoxesError::SecretTooShort {
                    path: path.clone(),
                    found: secret.len(),
                });
            }
            proofs = proofs.with_secret(pool.clone(), secret);
        }
        Ok(Self {
            listen: config.listen,
            tls: config.tls.clone(),
            proofs,
            peer_connections_max: config.peer_connections_max,
        })
    }
}

impl Proofs {
    /// Verifies documents with these certificates.
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            secrets: BTreeMap::new(),
            roles: BTreeMap::new(),
        }
    }

    /// Accepts this secret as well, from boxes of this pool, which have no document.
    #[must_use]
    pub fn with_secret(mut self, pool: PoolName, secret: &str) -> Self {
        self.secrets.insert(pool, SecretHash::of_shared(secret));
        self
    }

    /// Accepts sessions of this role as well, from boxes of this pool.
    #[must_use]
    pub fn with_role(mut self, pool: PoolName, role: BoxRole) -> Self {
        self.roles.insert(pool, role);
        self
    }

    /// Whether the boxes of a pool prove themselves by a role.
    pub(crate) fn has_roles(&self) -> bool {
        !self.roles.is_empty()
    }

    /// Returns the instance that the signer of a login runs on: AWS names a session of the role of
    /// an instance or a task after it.
    ///
    /// # Errors
    /// What is wrong, with the error code first. An outer error is no fault of the proof.
    pub(crate) async fn role(
        &self,
        pool: &PoolName,
        login: &Login,
        (sts, peer): (&Sts, IpAddr),
    ) -> Result<Result<Claim, String>, NotProven> {
        let Some(role) = self.roles.get(pool) else {
            return Ok(Err(format!(
                "role_not_accepted: [pool.{pool}.boxes] has no `role`"
            )));
        };
        let signer = sts
            .signer(login, peer, |signer| role.arn.fits(signer))
            .await;
        Ok(match signer.map(|signer| signer.kind) {
            Ok(PrincipalKind::AssumedRole { session, .. }) => Ok(Claim {
                instance: InstanceId::new(session),
                proof: Proof::IamRole {
                    role: role.shown_as.clone(),
                },
            }),
            // A pattern of a role fits nothing else.
            Ok(_) => Err("role_wrong: the signer is no session of a role".to_owned()),
            Err(NotProven::NotWanted(signer)) => Err(format!(
                "role_wrong: {signer} has signed; accepted: sessions of {}",
                role.arn
            )),
            Err(why) => return Err(why),
        })
    }

    /// Returns the instance that a signed identity document proves.
    ///
    /// # Errors
    /// What is wrong with the document, with the error code first.
    pub(crate) fn document(&self, signed: &str) -> Result<Claim, String> {
        let document = self
            .verifier
            .verify(signed)
            .map_err(|error| format!("{}: {error}", error.code()))?;
        Ok(Claim {
            instance: document.instance,
            proof: Proof::InstanceDocument {
                region: document.region,
                account: document.account,
                launched_at: document.launched_at,
            },
        })
    }

    /// Returns the instance that a box of this pool names, if the box knows the pool's secret.
    ///
    /// # Errors
    /// The secret is wrong, or the pool has none.
    pub(crate) fn secret(
        &self,
        pool: &PoolName,
        instance: InstanceId,
        secret: &str,
    ) -> Result<Claim, String> {
        let Some(accepted) = self.secrets.get(pool) else {
            return Err(format!(
                "secret_not_accepted: [pool.{pool}.boxes] has no `secret_file`"
            ));
        };
        if SecretHash::of_shared(secret) != *accepted {
            return Err(format!(
                "secret_wrong: it is not the secret that the boxes of the pool {pool} share"
            ));
        }
        Ok(Claim {
            instance,
            proof: Proof::SharedSecret,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn read(secret: &str) -> Result<BoxesOptions, BoxesError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("boxes.secret");
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        BoxesOptions::read(&config::Boxes {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            roles: Default::default(),
            secrets: [("gpu".into(), path)].into(),
            certificates: Default::default(),
            peer_connections_max: 64,
        })
    }

    #[test]
    fn a_shared_secret_is_accepted_as_it_stands_in_the_file_and_no_other() {
        let secret = "0123456789abcdef0123456789abcdef";
        let boxes = read(&format!("{secret}\n")).unwrap();
        let claim = |secret: &str| boxes.proofs.secret(&"gpu".into(), "i-a".into(), secret);
        assert_eq!(claim(secret).unwrap().instance.as_str(), "i-a");
        for wrong in [
            "",
            "0123456789abcdef0123456789abcdeF",
            &format!("{secret} "),
        ] {
            let text = claim(wrong).unwrap_err();
            assert!(text.starts_with("secret_wrong"), "{text}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_with_what_is_accepted() {
        let error = read("  hunter2\n").err().unwrap().to_string();
        assert!(
            error.contains("has 7 bytes; accepted: at least 32"),
            "{error}"
        );
    }

    #[test]
    fn a_secret_counts_for_its_pool_alone() {
        let secret = "0123456789abcdef0123456789abcdef";
        let proofs = Proofs::new(Verifier::pinned()).with_secret("gpu".into(), secret);
        let text = proofs
            .secret(&"cpu".into(), "i-a".into(), secret)
            .unwrap_err();
        assert!(text.starts_with("secret_not_accepted"), "{text}");
    }
}
