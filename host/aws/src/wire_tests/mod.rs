//! Tests the requests to AWS and the handling of its responses.

mod asking;
mod cbor;
mod changing;
mod demand;
mod fargate;
mod reaching;
mod scanning_tasks;
mod status_checks;

use reeve_core::cloud::{CloudError, Mutation, Outcome};
use reeve_core::compute::{LaunchSource, TemplateVersion};

use crate::testing::{ScriptedServer, Step};

fn instance_xml(id: &str, state: &str) -> String {
    format!(
        "<item><instanceId>{id}</instanceId><instanceState><code>0</code><name>{state}</name>\
         </instanceState><privateIpAddress>10.0.0.7</privateIpAddress><tagSet><item>\
         <key>reeve:worker</key><value>chat</value></item></tagSet></item>"
    )
}

fn launched() -> Step {
    let xml = instance_xml("i-new", "pending");
    Step::answer(
        200,
        format!("<RunInstancesResponse><instancesSet>{xml}</instancesSet></RunInstancesResponse>"),
    )
}

fn pointer_value(value: &str) -> Step {
    let body = format!(r#"{{"Parameter":{{"Name":"/p","Type":"String","Value":"{value}"}}}}"#);
    Step::answer(200, body)
}

fn launch() -> Mutation {
    Mutation::Launch {
        region: "us-east-1".into(),
        source: LaunchSource::LaunchTemplateVersion(TemplateVersion {
            launch_template: "chat".to_owned(),
            version: 7,
        }),
        token: "token-of-attempt-3".into(),
        tags: [("reeve:worker", "chat"), ("reeve:generation", "3")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    }
}

/// Carries out a mutation on a server that follows the script.
async fn apply(
    mutation: Mutation,
    script: Vec<Step>,
) -> (Result<Outcome, CloudError>, ScriptedServer) {
    let server = ScriptedServer::start(script);
    let answer = server.cloud().await.apply(mutation).await;
    (answer, server)
}
