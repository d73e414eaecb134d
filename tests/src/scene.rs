//! The setup of most tests of the real process: one GPU worker in the emulator's account.

use crate::emulator::{Emulator, REGION};
use crate::process::{Reeve, copy_policies};

/// The path that resolves the worker.
pub const RESOLVE: &str = "/v1/workers/chat/resolve";
/// The worker's pointer.
pub const POINTER: &str = "/chat/instance_id";
/// The value of the tag `Name` on the worker's instances.
pub const NAME: &str = "chat-worker";
/// The environment that points the AWS SDK at the emulator's account.
pub const CREDENTIALS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_CONFIG_FILE", "/dev/null"),
];

/// The configuration of a host with one worker in the emulator's account.
pub fn configuration(emulator: &Emulator) -> String {
    configuration_at(&emulator.url())
}

/// The same configuration, with the account at this URL.
pub fn configuration_at(endpoint_url: &str) -> String {
    format!(
        r#"
[host]
fleet = "test"
listen = "127.0.0.1:0"
socket = "{{dir}}/reeve.sock"
state_dir = "{{dir}}/state"

[access.tests]
roles = ["view", "resolve", "report", "create", "operate", "deliver"]
loopback = true

[policies]
dir = "{{dir}}/policies"

[aws]
endpoint_url = "{}"

[pool.gpu]
region = "{REGION}"
port = 8000
launch_template = "chat"

[worker.chat]
pool = "gpu"
tag_value = "{NAME}"
pointer = "{POINTER}"
"#,
        endpoint_url
    )
}

/// The section with which hosts share their workers' records in the table `reeve`. The lease is
/// short, because tests wait until it is stale.
pub fn shared_store() -> String {
    format!("\n[store]\ntable = \"reeve\"\nregion = \"{REGION}\"\nlease_ms = 3000\n")
}

/// Makes a directory for a host, with the components in it.
pub fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    copy_policies(&directory.path().join("policies"));
    directory
}

/// Starts a host with [`configuration`].
pub fn serve(emulator: &Emulator) -> Reeve {
    Reeve::start_in(directory(), &configuration(emulator), &CREDENTIALS)
}

/// The file of the second pool in [`serve_two_pools`]: its `debounce`.
pub const OTHER_FILE: &str = "other.wasm";

/// Starts a host with [`configuration`] and a second pool without workers, which has a policy of its
/// own.
pub fn serve_two_pools(emulator: &Emulator) -> Reeve {
    let directory = directory();
    let policies = directory.path().join("policies");
    std::fs::copy(policies.join("debounce.wasm"), policies.join(OTHER_FILE)).expect("a copy");
    let other = format!(
        "\n[pool.other]\nregion = \"{REGION}\"\nport = 8000\n\n[pool.other.policy.debounce]\nfile = \"{OTHER_FILE}\"\n"
    );
    let configuration = configuration(emulator) + &other;
    Reeve::start_in(directory, &configuration, &CREDENTIALS)
}
