//! `[api]` and `[tls]`: the interface for callers on other machines, and TLS of it and of the one for
//! boxes.

use std::collections::BTreeSet;
use std::path::Path;

use reeve_core::boxes::ProofKind;
use reeve_identity::login;

use super::given;
use crate::config::Network;
use crate::config::file::{Api, Boxes, Host, Pool, TlsSection, Whole};
use crate::config::finding::Findings;
use crate::config::section::At;
use crate::tls::TlsFiles;

/// The file of the tokens in the state directory, unless the file names another one.
const TOKENS: &str = "tokens.json";

/// The interface for callers on other machines.
pub(super) fn api(findings: &mut Findings<'_>, base: &Path, file: &Whole) -> Option<Network> {
    let api = file.api.as_ref()?;
    let plain = api.value.plaintext.as_ref();
    Some(Network {
        listen: api.value.listen.value,
        tls: tls(findings, base, file, &api.value.listen, plain),
        tokens: tokens(base, &file.host, &api.value),
        peer_connections_max: api.value.peer_connections_max,
    })
}

/// The regions that `[api]` names, else those of the pools. Each must have an STS that the host
/// can name.
pub(super) fn login_regions(findings: &mut Findings<'_>, file: &Whole) -> Vec<String> {
    let by_role = |pool: &Pool| {
        let boxes = pool.boxes.as_ref();
        boxes.is_some_and(|boxes| boxes.value.proof.value == ProofKind::IamRole)
    };
    if file.api.is_none() && !file.pool.iter().any(|(_, pool)| by_role(pool)) {
        return Vec::new();
    }
    let named = file
        .api
        .as_ref()
        .and_then(|api| api.value.login_regions.as_ref());
    let of_pools = file.pool.iter().map(|(_, pool)| &pool.region);
    let regions: Vec<_> = match named {
        Some(named) => named.value.iter().collect(),
        None => of_pools.collect(),
    };
    for region in &regions {
        if let Err(error) = login::sts_host(region.value.as_str()) {
            findings.refuse(region.span.clone(), error.to_string());
        }
    }
    let names = regions.iter().map(|region| region.value.to_string());
    let distinct: BTreeSet<_> = names.collect();
    distinct.into_iter().collect()
}

fn tokens(base: &Path, host: &Host, api: &Api) -> std::path::PathBuf {
    match &api.tokens {
        Some(tokens) => base.join(&tokens.value),
        None => base.join(&host.state_dir.value).join(TOKENS),
    }
}

/// TLS of the interface for boxes. A loopback address needs none: a proxy on this machine has it.
pub(super) fn of_boxes(
    findings: &mut Findings<'_>,
    base: &Path,
    file: &Whole,
    boxes: &Boxes,
) -> Option<TlsFiles> {
    let plain = boxes.plaintext.as_ref();
    let is_local = boxes.listen.value.ip().is_loopback();
    if is_local && plain.is_none() && file.tls.is_none() {
        return None;
    }
    tls(findings, base, file, &boxes.listen, plain)
}

/// The files of TLS, or none where the section says why not.
fn tls<T>(
    findings: &mut Findings<'_>,
    base: &Path,
    file: &Whole,
    listen: &At<T>,
    plain: Option<&At<String>>,
) -> Option<TlsFiles> {
    let tls = file.tls.as_ref();
    if plain.is_some() {
        return None;
    }
    if tls.is_none() {
        let found = "found an address for other machines and no TLS; accepted: [tls] with `certificate` and `key` \
                     (`reeve tls init` makes both), or `plaintext = \"…\"` next to `listen` with the reason why the \
                     network needs none";
        findings.refuse(listen.span.clone(), found);
    }
    Some(files(base, &tls?.value))
}

fn files(base: &Path, tls: &TlsSection) -> TlsFiles {
    TlsFiles {
        certificate: base.join(&tls.certificate.value),
        key: base.join(&tls.key.value),
        client_authorities: given(tls.client_authorities.as_ref()).map(|file| base.join(file)),
    }
}
