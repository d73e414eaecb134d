//! `reeve policy inspect`: shows what a component is and what it offers.

use std::path::Path;
use std::process::ExitCode;

use reeve_core::text;
use reeve_policy::Class;
use serde_json::Value;

use super::Workbench;
use crate::print;

pub(super) fn run(component: &Path) -> anyhow::Result<ExitCode> {
    let workbench = Workbench::open(component)?;
    let mut text = format!(
        "digest   {}\nsize     {} bytes\nclass    {}\noffers   {}\n",
        workbench.policy.digest(),
        workbench.bytes,
        match workbench.class {
            Class::Small => "small",
            Class::Large => "large: its pool needs `policy_class = \"large\"`",
        },
        workbench.points()
    );
    text += &match workbench.policy.description() {
        None => "about    not offered: settings are not checked before they apply\n".to_owned(),
        Some(about) => format!(
            "name     {}\nversion  {}\nsummary  {}\nsettings {}\n",
            about.name,
            about.version,
            text::escaped(&about.summary),
            // A schema that is not JSON is shown verbatim.
            serde_json::from_str::<Value>(&about.settings_schema).map_or_else(
                |_| about.settings_schema.clone(),
                |schema| format!("{schema:#}")
            )
        ),
    };
    print::text(&text)?;
    Ok(ExitCode::SUCCESS)
}
