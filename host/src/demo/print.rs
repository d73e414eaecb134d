//! The demo on a terminal: a timeline per run, then one table.

use std::fmt::Write as _;

use reeve_core::id::Digest;
use reeve_core::point::Point;
use reeve_core::time::Instant;
use reeve_sim::incidents::{Incident, Variant};
use reeve_sim::run::{Outcome, Run};
use reeve_sim::timeline::Entry;

/// Columns of a timeline line: what stands in them is longer only where nothing follows.
const EVENT: usize = 46;
const REASON: usize = 74;

/// A point, the component that answers it, and its digest.
type Player = (Point, String, Digest);

/// One run: a heading, who plays, and what happened.
pub(super) fn timeline(
    incident: Incident,
    variant: Variant,
    players: &[Player],
    run: &Run,
) -> String {
    let mut out = String::new();
    let heading = format!("── {} · {} ", incident.id(), variant.title());
    let rule = "─".repeat(150usize.saturating_sub(heading.chars().count()));
    let _ = writeln!(out, "{heading}{rule}");
    let _ = writeln!(out, "   {}", host_of(variant));
    let _ = writeln!(out, "   policies: {}", names(players));
    let _ = writeln!(out);
    let _ = writeln!(
        out,
        "  {:>7}  {:<8}  {:<EVENT$}  {:<REASON$}  policy",
        "seconds", "who", "event → decision", "reason"
    );
    let begins = run
        .entries
        .first()
        .map(|entry| entry.at)
        .unwrap_or_default();
    for entry in &run.entries {
        let _ = writeln!(out, "{}", line(entry, begins).trim_end());
    }
    out
}

/// What came of each incident, three ways.
pub(super) fn table(rows: &[(Incident, Vec<(Variant, Run)>)]) -> String {
    let mut cells = vec![vec!["incident".to_owned()]];
    cells[0].extend(
        Variant::ALL
            .iter()
            .map(|variant| variant.title().to_owned()),
    );
    for (incident, runs) in rows {
        let mut row = vec![incident.id().to_owned()];
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

fn host_of(variant: Variant) -> &'static str {
    match variant {
        Variant::AsItWas => {
            "a host without guarantees: it does what the policies say (it exists in this simulation only)"
        }
        Variant::LegacyUnderReeve => "reeve, with the policies that caused the incident",
        Variant::Standard => "reeve, with the policies it comes with",
    }
}

fn names(players: &[Player]) -> String {
    // No incident that is played asks for a restart.
    let shown = players
        .iter()
        .filter(|(point, ..)| *point != Point::Debounce);
    let names = shown.map(|(point, file, digest)| {
        let name = file.trim_end_matches(".wasm");
        if name == point.as_str() {
            format!("{name} {}", digest.short())
        } else {
            format!("{point} = {name} {}", digest.short())
        }
    });
    names.collect::<Vec<_>>().join(", ")
}

fn line(entry: &Entry, begins: Instant) -> String {
    let seconds = entry.at.since(begins).get() as f64 / 1000.0;
    let event = match (entry.event.as_str(), entry.decision.as_str()) {
        (event, "") => event.to_owned(),
        ("", decision) => decision.to_owned(),
        (event, decision) => format!("{event} → {decision}"),
    };
    let digest = entry
        .digest
        .map(|digest| digest.short())
        .unwrap_or_default();
    if entry.reason.is_empty() && digest.is_empty() {
        return format!("  {seconds:>7.1}  {:<8}  {event}", entry.who);
    }
    let reason = shorten(&entry.reason, REASON);
    format!(
        "  {seconds:>7.1}  {:<8}  {event:<EVENT$}  {reason:<REASON$}  {digest}",
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
        Outcome::Failed => format!("FAILED: {}", counted(run.harms.len(), "harm")),
        Outcome::Contained => format!("contained: {}, no harm", counted(run.vetoes, "veto")),
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
        None => "never served".to_owned(),
        Some(took) => format!("served after {:.1} s", took.get() as f64 / 1000.0),
    }
}
