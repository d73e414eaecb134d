//! Reads address files and the system's trusted certificates before the host starts.

use std::path::PathBuf;

use super::address::Address;
use super::transport::Transport;
use super::webhook::{AddressSource, Webhook};
use crate::outgoing::OutgoingError;
use crate::secret_file::{self, SecretFileError};

/// Webhooks that are ready to send.
pub struct Webhooks {
    pub(super) opened: Vec<Opened>,
    pub(super) transport: Transport,
}

/// A webhook and its address.
pub(crate) struct Opened {
    pub(crate) webhook: Webhook,
    pub(crate) address: Address,
}

/// Why a webhook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The file with the address cannot be read.
    #[error("[notify.{name}] names a file that cannot be used")]
    Unreadable {
        /// The webhook's name.
        name: String,
        /// Why not.
        #[source]
        source: SecretFileError,
    },
    /// The file does not contain an address.
    #[error("there is no address in {}, which [notify.{name}] names: {why}", path.display())]
    NoAddress {
        /// The webhook's name.
        name: String,
        /// The file's path.
        path: PathBuf,
        /// What is wrong, without quoting the file.
        why: &'static str,
    },
    /// No webhook can be reached over HTTPS.
    #[error("webhooks cannot be reached over HTTPS")]
    Outgoing(#[from] OutgoingError),
}

impl Webhooks {
    /// No webhooks: no notification is sent.
    pub fn none() -> Self {
        Self {
            opened: Vec::new(),
            transport: Transport::plain(),
        }
    }

    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// [`NotifyError`]: an address is missing, or HTTPS is needed and no certificate is trusted.
    pub fn open(webhooks: &[Webhook]) -> Result<Self, NotifyError> {
        let open = |webhook: &Webhook| {
            Ok(Opened {
                address: address(webhook)?,
                webhook: webhook.clone(),
            })
        };
        let opened = webhooks
            .iter()
            .map(open)
            .collect::<Result<Vec<_>, NotifyError>>()?;
        let transport = if opened.iter().any(|opened| opened.address.is_tls()) {
            Transport::with_system_roots()?
        } else {
            Transport::plain()
        };
        Ok(Self { opened, transport })
    }
}

fn address(webhook: &Webhook) -> Result<Address, NotifyError> {
    let path = match &webhook.address {
        AddressSource::Written(address) => return Ok(address.clone()),
        AddressSource::File(path) => path,
    };
    let name = || webhook.name.clone();
    let text = secret_file::read(path).map_err(|source| NotifyError::Unreadable {
        name: name(),
        source,
    })?;
    Address::parse(&text).map_err(|why| NotifyError::NoAddress {
        name: name(),
        path: path.clone(),
        why,
    })
}
