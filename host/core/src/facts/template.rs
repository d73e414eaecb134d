//! The version of the launch template that the next launch is made from.

use super::{Facts, WorkerFacts};
use crate::model::cloud::Query;
use crate::model::compute::LaunchSource;
use crate::model::time::{Instant, Millis};

/// How old the reading may be for a launch to rest on it: as old as the scan that a launch rests
/// on.
pub(crate) const TEMPLATE_AGE_MAX: Millis = Millis::from_secs(10);

/// A reading of the default version of a launch template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadVersion {
    /// The template, by name or id.
    pub template: String,
    /// The number of the version.
    pub version: u64,
    /// When the reading was asked for.
    pub asked_at: Instant,
}

impl Facts {
    /// Takes in the default version of this template, asked for at `asked_at`.
    pub(crate) fn observe_template(&mut self, template: &str, version: u64, asked_at: Instant) {
        self.change().template_version = Some(ReadVersion {
            template: template.to_owned(),
            version,
            asked_at,
        });
    }
}

impl WorkerFacts {
    /// The default version of this capacity option's launch template, if it was read a moment ago. An older
    /// reading may be of a version that the template's owner has replaced.
    pub(crate) fn template_version(&self, capacity_option: u32, now: Instant) -> Option<u64> {
        let template = self.template_to_read(capacity_option)?;
        let read = self.template_version.as_ref();
        let read = read.filter(|read| read.template == template)?;
        (now.since(read.asked_at) <= TEMPLATE_AGE_MAX).then_some(read.version)
    }

    /// The template of this capacity option, if its version has to be read.
    fn template_to_read(&self, capacity_option: u32) -> Option<&str> {
        match self.pool.launch.get(capacity_option as usize)? {
            LaunchSource::LaunchTemplate(template) => Some(template),
            LaunchSource::LaunchTemplateVersion(_) | LaunchSource::Fargate(_) => None,
        }
    }

    /// The query that a launch with this capacity option waits for; `None` if it waits for none.
    pub(crate) fn template_query(&self, capacity_option: u32, now: Instant) -> Option<Query> {
        let template = self.template_to_read(capacity_option)?;
        self.template_version(capacity_option, now)
            .is_none()
            .then(|| Query::TemplateVersion {
                region: self.pool.region.clone(),
                template: template.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{NOW, worker};

    #[test]
    fn a_version_counts_for_its_template_and_for_a_moment() {
        let mut facts = Facts::new(worker());
        facts.observe_template("gpu", 7, NOW);
        assert_eq!(facts.template_version(0, NOW + TEMPLATE_AGE_MAX), Some(7));
        let late = NOW + TEMPLATE_AGE_MAX + Millis::new(1);
        assert_eq!(facts.template_version(0, late), None);
        assert!(facts.template_query(0, late).is_some());
        facts.observe_template("another", 8, NOW);
        assert_eq!(facts.template_version(0, NOW), None);
    }
}
