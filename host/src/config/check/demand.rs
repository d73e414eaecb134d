//! `[pool.NAME.demand]`: the metric that shows how much a worker is wanted.

use reeve_core::demand::DemandSpec;
use reeve_core::time::Millis;

use super::given;
use crate::config::file::Demand;
use crate::config::finding::Findings;
use crate::config::section::At;

const MINUTE: Millis = Millis::from_secs(60);
const WINDOW: Millis = Millis::from_secs(600);
/// From docs/incidents.md#frozen-activity: one sample per window was too few to judge.
const SAMPLES: u32 = 2;

/// The demand metric of a pool's workers.
pub(super) fn of_pool(findings: &mut Findings<'_>, section: &Demand) -> DemandSpec {
    let period = given(section.period_ms.as_ref()).unwrap_or(MINUTE);
    let window = given(section.window_ms.as_ref()).unwrap_or_else(|| window_for(period));
    let every = given(section.every_ms.as_ref()).unwrap_or_else(|| MINUTE.max(period));
    whole(findings, section.period_ms.as_ref(), MINUTE, "a minute");
    whole(findings, section.window_ms.as_ref(), period, "the period");
    if let Some(written) = section.every_ms.as_ref().filter(|_| every < period) {
        let found = format!(
            "found {}; accepted: at least the period, {}: there is nothing new to read before, and each \
             reading costs money",
            every.get(),
            period.get()
        );
        findings.refuse(written.span.clone(), found);
    }
    let dimensions = given(section.dimensions.as_ref()).unwrap_or_default();
    DemandSpec {
        namespace: section.namespace.value.clone(),
        metric: section.metric.value.clone(),
        statistic: section.statistic.value,
        dimensions: dimensions.into_iter().collect(),
        period,
        window,
        samples_min: samples_min(findings, section, window, period),
        every,
    }
}

/// Ten minutes, or enough periods to hold the required samples.
fn window_for(period: Millis) -> Millis {
    let periods = WINDOW.get().div_ceil(period.get().max(1));
    Millis::new(period.get() * periods.max(u64::from(SAMPLES)))
}

fn whole(findings: &mut Findings<'_>, written: Option<&At<Millis>>, unit: Millis, what: &str) {
    let broken = |at: &&At<Millis>| !at.value.get().is_multiple_of(unit.get().max(1));
    if let Some(at) = written.filter(broken) {
        let found = format!(
            "found {}; accepted: a multiple of {}, {what}",
            at.value.get(),
            unit.get()
        );
        findings.refuse(at.span.clone(), found);
    }
}

fn samples_min(
    findings: &mut Findings<'_>,
    section: &Demand,
    window: Millis,
    period: Millis,
) -> u32 {
    let least = given(section.samples_min.as_ref()).unwrap_or(SAMPLES);
    let most = window.get() / period.get().max(1);
    // Either key may be wrong; the finding points at the one in the file.
    let asked = section.samples_min.as_ref().map(|at| &at.span);
    let place = asked.or(section.window_ms.as_ref().map(|at| &at.span));
    if let Some(place) = place.filter(|_| u64::from(least) > most) {
        let found = format!(
            "at least {least} samples are wanted of a window that holds {most}, so demand could never be \
             judged; accepted: a longer `window_ms`, or a smaller `samples_min`"
        );
        findings.refuse(place.clone(), found);
    }
    least
}
