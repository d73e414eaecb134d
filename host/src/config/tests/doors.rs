//! Who reaches the host, and where.

use super::*;
use crate::access::{Role, Rule, Who};

/// [`GOOD`] with boxes that register.
pub(super) const WITH_BOXES: &str = r#"
[boxes]
listen = "10.0.0.5:7434"
plaintext = "a mesh encrypts"
certificates = { mx-central-1 = "mx.pem" }

[pool.gpu.boxes]
proof = "shared-secret"
secret_file = "gpu.secret"
heartbeat_ms = 10000
"#;

#[test]
fn boxes_register_where_the_configuration_says_and_how_their_pool_says() {
    use reeve_core::boxes::ProofKind;

    assert_eq!(parse(GOOD).unwrap().boxes, None);
    let config = parse(&format!("{GOOD}{WITH_BOXES}")).unwrap();
    let boxes = config.boxes.unwrap();
    assert_eq!(boxes.listen.to_string(), "10.0.0.5:7434");
    assert_eq!(
        boxes.secrets[&PoolName::from("gpu")],
        Path::new("etc/gpu.secret")
    );
    assert_eq!(
        boxes.certificates[&"mx-central-1".into()],
        Path::new("etc/mx.pem")
    );
    assert_eq!(boxes.peer_connections_max, 64);
    let spec = config.fleet.pools[&PoolName::from("gpu")].boxes.unwrap();
    assert_eq!(spec.proof, ProofKind::SharedSecret);
    assert_eq!(spec.heartbeat, Millis::from_secs(10));
    assert_eq!(spec.rotation, Millis::from_secs(3600));
}

#[test]
fn boxes_that_could_not_register_are_refused_with_what_is_missing() {
    let with = format!("{GOOD}{WITH_BOXES}");
    let changed = |from: &str, to: &str| {
        assert!(with.contains(from), "{from}");
        parse(&with.replace(from, to)).unwrap_err().to_string()
    };
    let cases = [
        (
            "[boxes]\nlisten = \"10.0.0.5:7434\"\nplaintext = \"a mesh encrypts\"\ncertificates = { mx-central-1 = \"mx.pem\" }",
            "",
            "there is no [boxes] with `listen`",
        ),
        (
            "secret_file = \"gpu.secret\"\n",
            "",
            "there is no `secret_file` next to `proof`",
        ),
        (
            "10.0.0.5:7434",
            "10.0.0.5",
            "accepted: an address and a port, such as 10.0.0.5:7434",
        ),
        (
            "\"shared-secret\"",
            "\"trust\"",
            "accepted: `instance-document`, `shared-secret`, `iam-role`",
        ),
        (
            "heartbeat_ms = 10000",
            "heartbeat_ms = 10",
            "found 10; accepted: 1000 to 3600000",
        ),
        (
            "listen = \"10.0.0.5:7434\"",
            "listen = \"10.0.0.5:7434\"\npeer_connections_max = 0",
            "found 0; accepted: 1 to 512",
        ),
        (
            "mx-central-1 =",
            "mexico =",
            "accepted: a name such as us-east-1",
        ),
    ];
    for (from, to, expected) in cases {
        let error = changed(from, to);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn boxes_prove_themselves_by_the_role_that_their_pool_names() {
    let doors =
        "\n[boxes]\nlisten = \"127.0.0.1:7434\"\n\n[pool.gpu.boxes]\nproof = \"iam-role\"\n";
    let role = "role = \"arn:aws:iam::123456789012:role/gpu-box\"\n";
    let config = parse(&format!("{GOOD}{doors}{role}")).unwrap();
    assert_eq!(config.login_regions, ["us-east-1"]);
    let roles = config.boxes.unwrap().roles;
    assert_eq!(roles[&PoolName::from("gpu")].shown_as, "gpu-box");
    let profile = "instance_profile = \"boxes\"\n";
    let config = parse(&format!("{GOOD}{doors}{role}{profile}")).unwrap();
    let roles = config.boxes.unwrap().roles;
    assert_eq!(roles[&PoolName::from("gpu")].shown_as, "boxes");
    assert_eq!(parse(GOOD).unwrap().login_regions, [""; 0]);

    let open = role.replace("gpu-box", "gpu-*");
    let with_path = role.replace("role/", "role/boxes/");
    let plain = doors.replace(
        "127.0.0.1:7434\"",
        "10.0.0.5:7434\"\nplaintext = \"a mesh\"",
    );
    let cases = [
        (doors.to_owned(), "there is no `role` next to `proof`"),
        (
            format!("{doors}{profile}"),
            "there is no `role` next to `proof`",
        ),
        (
            format!("{doors}{open}"),
            "accepted: the ARN of one role without its path",
        ),
        (
            format!("{doors}{with_path}"),
            "accepted: the ARN of one role without its path",
        ),
        (
            format!("{plain}{role}"),
            "their proofs would be read on the way",
        ),
        (
            format!("{}{role}", doors.replace("iam-role", "instance-document")),
            "there is a `role`, which only boxes with the proof \"iam-role\" use",
        ),
    ];
    for (added, expected) in cases {
        let error = parse(&format!("{GOOD}{added}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{added}\n{error}");
    }
}

#[test]
fn rules_say_who_may_do_what() {
    let text = format!(
        "{GOOD}\n[access.deploy]\nroles = [\"view\", \"operate\"]\nuids = [1000]\ngids = [50]\nworkers = \
         [\"chat\", \"batch-*\"]\npools = [\"gpu\"]\n\n[access.apps]\nroles = [\"resolve\"]\nloopback = true\n"
    );
    let of = |name: &str| name.parse().unwrap();
    let deploy = Rule {
        who: vec![Who::Uid(1000), Who::Gid(50)],
        roles: [Role::View, Role::Operate].into(),
        pools: Some([PoolName::from("gpu")].into()),
        workers: Some(vec![of("chat"), of("batch-*")]),
        per_second: None,
    };
    let apps = Rule {
        who: vec![Who::Loopback],
        roles: [Role::Resolve].into(),
        pools: None,
        workers: None,
        per_second: None,
    };
    let mut found = parse(&text).unwrap().access;
    assert_eq!(found, Access::new(vec![apps, deploy]));
    found = parse(GOOD).unwrap().access;
    assert_eq!(found, Access::default());
}

#[test]
fn a_rule_for_nobody_or_for_what_is_not_there_is_refused() {
    let text = format!(
        "{GOOD}\n[access.deploy]\nroles = [\"admin\"]\npools = [\"cpu\"]\nworkers = [\"ghost\"]\n\n\
         [access.unknown]\nroles = [\"view\"]\nuids = [65534]\n"
    );
    let error = parse(&text).unwrap_err().to_string();
    for part in [
        "[access.deploy] names no caller; accepted: `loopback = true`, `uids`, `gids`, `tokens`, `certificates` or `arns`",
        "found \"admin\"; accepted: `view`, `resolve`, `report`, `create`, `operate`, `deliver`",
        "there is no pool \"cpu\"; accepted: \"gpu\"",
        "there is no worker \"ghost\"; accepted: \"chat\"",
        "found 65534; accepted: 0 to 65533",
    ] {
        assert!(error.contains(part), "{part}\n{error}");
    }
}

#[test]
fn a_host_listens_on_loopback_on_a_socket_or_on_both_but_somewhere() {
    let none = GOOD.replace(
        "state_dir = \"state\"",
        "state_dir = \"state\"\nlisten = \"none\"",
    );
    let config = parse(&none).unwrap();
    assert_eq!(config.listen, None);
    assert!(config.socket.is_some());
    let long = none.replace("\"state\"", &format!("{:?}", "s".repeat(120)));
    let error = parse(&long).unwrap_err().to_string();
    assert!(error.contains("the host listens nowhere"), "{error}");
    let long = GOOD.replace("\"state\"", &format!("{:?}", "s".repeat(120)));
    assert_eq!(parse(&long).unwrap().socket, None);
}

/// The sections of a door for other machines.
const NETWORK: &str = r#"
[api]
listen = "0.0.0.0:7443"

[tls]
certificate = "host.pem"
key = "/etc/host.key"
"#;

#[test]
fn a_door_for_other_machines_has_tls_or_says_why_not() {
    let config = parse(&format!("{GOOD}{NETWORK}")).unwrap();
    let network = config.network.unwrap();
    assert_eq!(network.tokens, Path::new("etc/state/tokens.json"));
    let tls = network.tls.unwrap();
    assert_eq!(tls.certificate, Path::new("etc/host.pem"));
    assert_eq!(tls.key, Path::new("/etc/host.key"));
    assert_eq!(tls.client_authorities, None);

    let without = GOOD.to_owned() + "\n[api]\nlisten = \"0.0.0.0:7443\"\n";
    let error = parse(&without).unwrap_err().to_string();
    assert!(error.contains("no TLS; accepted: [tls]"), "{error}");
    let plain = without + "plaintext = \"a mesh encrypts\"\n";
    assert_eq!(parse(&plain).unwrap().network.unwrap().tls, None);
}

#[test]
fn identity_documents_are_not_sent_where_others_read_along() {
    let documents = WITH_BOXES
        .replace("shared-secret", "instance-document")
        .replace("secret_file = \"gpu.secret\"\n", "");
    let error = parse(&format!("{GOOD}{documents}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("proofs would be read on the way"), "{error}");
    let local = documents
        .replace("10.0.0.5", "127.0.0.1")
        .replace("plaintext = \"a mesh encrypts\"\n", "");
    assert_eq!(
        parse(&format!("{GOOD}{local}")).unwrap().boxes.unwrap().tls,
        None
    );
}
