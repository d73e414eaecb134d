//! `reeve policy inspect`: what a component is and offers.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::Workbench;

pub(super) fn run(component: &Path) -> anyhow::Result<ExitCode> {
    let workbench = Workbench::open(component)?;
    println!("digest   {}", workbench.policy.digest());
    println!("size     {} bytes", workbench.bytes);
    println!("offers   {}", workbench.points());
    let Some(about) = workbench.policy.description() else {
        println!("about    not offered: settings are not checked before they are in force");
        return Ok(ExitCode::SUCCESS);
    };
    println!("name     {}", about.name);
    println!("version  {}", about.version);
    println!("summary  {}", about.summary);
    // A schema that is not even JSON is shown as it is.
    let schema = serde_json::from_str::<Value>(&about.settings_schema);
    match schema {
        Ok(schema) => println!("settings {schema:#}"),
        Err(_) => println!("settings {}", about.settings_schema),
    }
    Ok(ExitCode::SUCCESS)
}
