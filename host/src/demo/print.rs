//! Prints the demo: a timeline per run, then one table.

use std::fmt::Write as _;

use reeve_core::id::Digest;
use reeve_core::text;
use reeve_core::time::{Instant, Millis};
use reeve_sim::run::{Outcome, Run};
use reeve_sim::script::{Script, Variant};
use reeve_sim::timeline::{Entry, GUARD};

use super::Playbill;

/// Widths of the timeline's columns. A longer text is cut, unless it ends the line.
const EVENT: usize = 46;
const REASON: usize = 74;

/// How a timeline names the policy that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// By name and digest, so the exact code is shown.
    Digests,
    /// By name only, so the text stays the same while the decisions and reasons do.
    Names,
}

/// One run: a heading, the policies, and the timeline.
pub(super) fn timeline(
    script: &Script,
    variant: Variant,
    playbill: &Playbill,
    run: &Run,
    shown: Shown,
) -> String {
    let mut out = String::new();
    let title = match (variant, playbill.tested) {
        (Variant::Standard, true) => "policies under test",
        _ => variant.title(),
    };
    let heading = format!("── {} · {title} ", script.name);
    let rule = "─".repeat(150usize.saturating_sub(heading.chars().count()));
    let _ = writeln!(out, "{heading}{rule}");
    let _ = writeln!(out, "   {}", host_of(variant, playbill.tested));
    let _ = writeln!(out, "   policies: {}", names(playbill, shown));
    let _ = writeln!(out);
    let _ = writeln!(
        out,
        "  {:>7}  {:<8}  {:<EVENT$}  {:<REASON$}  policy",
        "seconds", "who", "event → decision", "reason"
    );
    for entry in &run.entries {
        let decided_by = entry.digest.map(|digest| match shown {
            Shown::Digests => digest.short(),
            Shown::Names => name_of(playbill, digest).to_owned(),
        });
        let decided_by = decided_by.unwrap_or_default();
        let _ = writeln!(out, "{}", line(entry, run.begins, &decided_by).trim_end());
    }
    out
}

/// The first harm and the first veto of an incident, in the run that had one.
pub(super) fn in_short(runs: &[(Variant, Run)]) -> String {
    let mut out = String::new();
    for (variant, run) in runs {
        let vetoed = run.entries.iter().find(|entry| entry.is_by(GUARD));
        let (what, text) = match (run.harms.first(), vetoed) {
            (Some(harm), _) => ("harm", harm.to_string()),
            (None, Some(veto)) => ("veto", veto.reason.clone()),
            (None, None) => continue,
        };
        let _ = writeln!(out, "  {:<27}  {what}: {text}", variant.title());
    }
    out
}

/// The outcome of a run in one line.
pub fn outcome(run: &Run) -> String {
    format!("{}; {}", verdict(run), until_served(run))
}

/// A caller's wait, or `never` if it got no address.
pub fn seconds(took: Option<Millis>) -> String {
    took.map_or_else(
        || "never".to_owned(),
        |took| format!("{:.1} s", took.get() as f64 / 1000.0),
    )
}

/// The outcomes of all incidents, a row each, in three variants.
pub(super) fn table(rows: &[(&str, Vec<(Variant, Run)>)]) -> String {
    let mut cells = vec![vec!["incident".to_owned()]];
    cells[0].extend(
        Variant::ALL
            .iter()
            .map(|variant| variant.title().to_owned()),
    );
    for (incident, runs) in rows {
        let mut row = vec![(*incident).to_owned()];
        row.extend(runs.iter().map(|(_, run)| verdict(run)));
        cells.push(row);
        let mut more = vec![String::new()];
        more.extend(runs.iter().map(|(_, run)| until_served(run)));
        cells.push(more);
    }
    let columns = cells[0].len();
    let width = |column: usize| {
        let lengths = cells.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in cells.iter().enumerate() {
        let padded = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let padded: Vec<_> = padded.collect();
        let _ = writeln!(out, "  {}", padded.join(" │ ").trim_end());
        if number % 2 == 0 && number + 1 < cells.len() {
            let dashes: Vec<_> = widths.iter().map(|width| "─".repeat(*width)).collect();
            let _ = writeln!(out, "  {}", dashes.join("─┼─"));
        }
    }
    out
}

fn host_of(variant: Variant, tested: bool) -> &'static str {
    match variant {
        Variant::Standard if tested => {
            "reeve, with the policies under test in place of those it comes with"
        }
        Variant::AsItWas => {
            "a host without guarantees: it does what the policies say (it exists in this simulation only)"
        }
        Variant::LegacyUnderReeve => "reeve, with the policies that caused the incident",
        Variant::Standard => "reeve, with the policies it comes with",
    }
}

fn names(playbill: &Playbill, shown: Shown) -> String {
    let names = playbill.players.iter().map(|(point, file, digest)| {
        let name = stem(file);
        let digest = match shown {
            Shown::Digests => format!(" {}", digest.short()),
            Shown::Names => String::new(),
        };
        if name == point.as_str() {
            format!("{name}{digest}")
        } else {
            format!("{point} = {name}{digest}")
        }
    });
    names.collect::<Vec<_>>().join(", ")
}

fn name_of(playbill: &Playbill, digest: Digest) -> &str {
    let mut players = playbill.players.iter();
    let player = players.find(|(.., player)| *player == digest);
    player.map_or("", |(_, file, _)| stem(file))
}

fn stem(file: &str) -> &str {
    file.trim_end_matches(".wasm")
}

fn line(entry: &Entry, begins: Instant, decided_by: &str) -> String {
    text::escaped(&unescaped_line(entry, begins, decided_by)).into_owned()
}

fn unescaped_line(entry: &Entry, begins: Instant, decided_by: &str) -> String {
    let seconds = entry.at.since(begins).get() as f64 / 1000.0;
    let event = entry.what();
    if entry.reason.is_empty() && decided_by.is_empty() {
        return format!("  {seconds:>7.1}  {:<8}  {event}", entry.who);
    }
    let reason = shorten(&entry.reason, REASON);
    format!(
        "  {seconds:>7.1}  {:<8}  {event:<EVENT$}  {reason:<REASON$}  {decided_by}",
        entry.who
    )
}

fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn verdict(run: &Run) -> String {
    match run.outcome() {
        Outcome::Failed if !run.down.is_empty() => {
            let harms = counted(run.harms.len(), "harm");
            format!(
                "FAILED: {harms}, {} down",
                counted(run.down.len(), "caller")
            )
        }
        Outcome::Failed => format!("FAILED: {}", counted(run.harms.len(), "harm")),
        Outcome::Down => format!("DOWN: {}, no harm", counted(run.down.len(), "caller")),
        Outcome::Contained => format!("contained: {}, no harm", counted(run.vetoes, "veto")),
        Outcome::Unserved => {
            let callers = counted(run.gave_up, "caller");
            format!("unserved: {callers}, no harm proposed")
        }
        Outcome::Served => "served: no harm proposed".to_owned(),
    }
}

fn counted(number: usize, word: &str) -> String {
    match (number, word) {
        (1, word) => format!("1 {word}"),
        (number, "veto") => format!("{number} vetoes"),
        (number, word) => format!("{number} {word}s"),
    }
}

fn until_served(run: &Run) -> String {
    match run.until_served() {
        None if run.gave_up == 0 => "no caller asked".to_owned(),
        None => "never served".to_owned(),
        took => format!("served after {}", seconds(took)),
    }
}
