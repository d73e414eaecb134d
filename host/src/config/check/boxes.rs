//! `[boxes]` and `[pool.NAME.boxes]`: the interface that boxes register at, and how boxes prove
//! themselves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use reeve_core::boxes::ProofKind;
use reeve_core::compute::Compute;
use reeve_core::id::Region;
use reeve_core::spec::BoxSpec;
use toml::Spanned;

use super::{Checker, value};
use crate::config::Boxes;
use crate::config::file::{self, Pool, PoolBoxes};

/// Below a second, heartbeats would flood the host. Above an hour, a dead box would stay unnoticed.
const HEARTBEAT_MS: (u64, u64) = (1_000, 3_600_000);
/// Below a minute, a token could be replaced while its successor is still in transit. 30 days bound
/// how long a leaked token works.
const ROTATION_MS: (u64, u64) = (60_000, 2_592_000_000);

/// One box has one or two connections at a time. 64 serve the boxes of a subnet behind one NAT
/// address: each sends for milliseconds twice a minute. 64 is an eighth of the listener's cap.
const PEER_CONNECTIONS: u64 = 64;
/// The listener has 512, so a higher cap for one address would have no effect.
const PEER_CONNECTIONS_RANGE: (u64, u64) = (1, 512);

/// How boxes of a pool with this kind of instance register.
pub(super) fn of_pool(checker: &mut Checker<'_>, compute: &Compute, spec: &PoolBoxes) -> BoxSpec {
    let kinds = [ProofKind::InstanceDocument, ProofKind::SharedSecret];
    let proof = kinds
        .into_iter()
        .find(|kind| kind.as_str() == spec.proof.get_ref());
    if proof.is_none() {
        let accepted = kinds.map(|kind| format!("{:?}", kind.as_str())).join(", ");
        let found = format!(
            "found the proof {:?}; accepted: {accepted}",
            spec.proof.get_ref()
        );
        checker.refuse(spec.proof.span(), found);
    }
    if proof == Some(ProofKind::InstanceDocument) && !compute.is_ec2() {
        let found = "found the proof \"instance-document\", which EC2 writes for its instances and not for Fargate tasks; \
                     accepted for this pool: \"shared-secret\"";
        checker.refuse(spec.proof.span(), found);
    }
    let default = BoxSpec::new(proof.unwrap_or(ProofKind::InstanceDocument));
    BoxSpec {
        heartbeat: checker.millis(spec.heartbeat_ms.as_ref(), HEARTBEAT_MS, default.heartbeat),
        rotation: checker.millis(spec.rotation_ms.as_ref(), ROTATION_MS, default.rotation),
        ..default
    }
}

/// The interface for boxes. It listens for other machines, and every request needs a proof or a
/// token.
pub(super) fn all(
    checker: &mut Checker<'_>,
    base: &Path,
    boxes: Option<&file::Boxes>,
    pools: &BTreeMap<Spanned<String>, Pool>,
) -> Option<Boxes> {
    for (name, pool) in pools {
        let Some(spec) = &pool.boxes else { continue };
        let by_secret = spec.proof.get_ref() == ProofKind::SharedSecret.as_str();
        let missing = match boxes {
            None => "there is no [boxes] with `listen`, where they would register",
            Some(boxes) if by_secret && boxes.shared_secret_file.is_none() => {
                "[boxes] has no `shared_secret_file`, which they would prove themselves with"
            }
            Some(_) => continue,
        };
        let found = format!(
            "the boxes of pool {} are to register, and {missing}",
            name.get_ref()
        );
        checker.refuse(spec.proof.span(), found);
    }
    let boxes = boxes?;
    Some(Boxes {
        listen: listen(checker, &boxes.listen),
        shared_secret_file: boxes
            .shared_secret_file
            .as_ref()
            .map(|file| base.join(file.get_ref())),
        certificates: boxes
            .certificates
            .iter()
            .map(|(region, file)| {
                let region = checker.check(region, |region| value::region(region));
                (Region::new(region), base.join(file.get_ref()))
            })
            .collect(),
        peer_connections_max: peer_connections_max(checker, boxes),
    })
}

fn peer_connections_max(checker: &mut Checker<'_>, boxes: &file::Boxes) -> usize {
    let given = boxes.peer_connections_max.as_ref();
    let number = given.map(|number| {
        checker.check(number, |number| {
            value::within(*number, PEER_CONNECTIONS_RANGE)
        })
    });
    usize::try_from(number.unwrap_or(PEER_CONNECTIONS)).unwrap_or(usize::MAX)
}

fn listen(checker: &mut Checker<'_>, value: &Spanned<String>) -> SocketAddr {
    value.get_ref().parse().unwrap_or_else(|_| {
        let found = format!(
            "`listen` is {:?}; accepted: an address and a port, such as 10.0.0.5:7434 or 0.0.0.0:7434",
            value.get_ref()
        );
        checker.refuse(value.span(), found);
        SocketAddr::from(([127, 0, 0, 1], 0))
    })
}
