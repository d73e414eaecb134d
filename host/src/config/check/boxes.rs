//! `[boxes]` and `[pool.NAME.boxes]`: the interface that boxes register at, and how boxes prove
//! themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reeve_core::boxes::ProofKind::{self, IamRole, SharedSecret};
use reeve_core::compute::Compute;
use reeve_core::id::PoolName;
use reeve_core::spec::BoxSpec;

use super::{given, network};
use crate::config::file::{self, PoolBoxes, Whole};
use crate::config::finding::Findings;
use crate::config::section::At;
use crate::config::{BoxRole, Boxes};

/// How boxes of a pool with this kind of instance register.
pub(super) fn of_pool(
    findings: &mut Findings<'_>,
    compute: &Compute,
    section: &PoolBoxes,
) -> BoxSpec {
    let proof = &section.proof;
    if proof.value == ProofKind::InstanceDocument && !compute.is_ec2() {
        let found = "found the proof \"instance-document\", which EC2 writes for its instances and not for Fargate tasks; \
                     accepted for this pool: \"iam-role\" or \"shared-secret\"";
        findings.refuse(proof.span.clone(), found);
    }
    BoxSpec {
        proof: proof.value,
        heartbeat: section.heartbeat_ms,
        rotation: section.rotation_ms,
    }
}

/// The interface for boxes. It listens for other machines, and every request needs a proof or a
/// token.
pub(super) fn all(findings: &mut Findings<'_>, base: &Path, file: &Whole) -> Option<Boxes> {
    let boxes = file.boxes.as_ref().map(|boxes| &boxes.value);
    for (name, pool) in &file.pool {
        let Some(section) = &pool.boxes else { continue };
        let proof = &section.value.proof;
        let section = &section.value;
        let is_plain = |boxes: &file::Boxes| boxes.plaintext.is_some();
        let is = |kind| proof.value == kind;
        let missing = match boxes {
            None => "there is no [boxes] with `listen`, where they would register",
            Some(_) if is(SharedSecret) && section.secret_file.is_none() => {
                "there is no `secret_file` next to `proof`, whose secret they would prove themselves with"
            }
            Some(_) if !is(SharedSecret) && section.secret_file.is_some() => {
                "there is a `secret_file`, which only boxes with the proof \"shared-secret\" use"
            }
            Some(_) if is(IamRole) && section.role.is_none() => {
                "there is no `role` next to `proof`, which they would prove themselves by"
            }
            Some(_) if !is(IamRole) && section.role.is_some() => {
                "there is a `role`, which only boxes with the proof \"iam-role\" use"
            }
            Some(_) if section.role.is_none() && section.instance_profile.is_some() => {
                "there is an `instance_profile` without the `role` that it has"
            }
            Some(boxes) if !is(SharedSecret) && is_plain(boxes) => {
                "[boxes] says `plaintext`, and their proofs would be read on the way and used again"
            }
            Some(_) => continue,
        };
        let found = format!(
            "the boxes of pool {} are to register, and {missing}",
            name.value
        );
        findings.refuse(proof.span.clone(), found);
    }
    let boxes = boxes?;
    let certificates = given(boxes.certificates.as_ref()).unwrap_or_default();
    Some(Boxes {
        listen: boxes.listen.value,
        tls: network::of_boxes(findings, base, file, boxes),
        roles: roles(file),
        secrets: secrets(base, file),
        certificates: certificates
            .into_iter()
            .map(|(region, file)| (region, base.join(file)))
            .collect(),
        peer_connections_max: boxes.peer_connections_max,
    })
}

/// The role of each pool whose boxes prove themselves by one.
fn roles(file: &Whole) -> BTreeMap<PoolName, BoxRole> {
    let of_pool = |(name, pool): &(At<String>, file::Pool)| {
        let boxes = &pool.boxes.as_ref()?.value;
        let arn = boxes.role.as_ref()?.value.clone();
        let profile = given(boxes.instance_profile.as_ref());
        let shown_as = profile.or_else(|| arn.role().map(str::to_owned))?;
        Some((PoolName::new(&name.value), BoxRole { arn, shown_as }))
    };
    file.pool.iter().filter_map(of_pool).collect()
}

/// The file of each pool whose boxes share a secret.
fn secrets(base: &Path, file: &Whole) -> BTreeMap<PoolName, PathBuf> {
    let of_pool = |(name, pool): &(At<String>, file::Pool)| {
        let boxes = &pool.boxes.as_ref()?.value;
        let secret = boxes.secret_file.as_ref()?;
        Some((PoolName::new(&name.value), base.join(&secret.value)))
    };
    file.pool.iter().filter_map(of_pool).collect()
}
