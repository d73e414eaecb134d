//! The file of recorded digests: a few lines that name the worlds, then one line per world.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use reeve_sim::swarm::digest::{Digests, FORMAT};

/// The beginning of the first line; the format's number follows.
const TITLE: &str = "reeve swarm digest, format";
/// The columns of the worlds' lines.
const COLUMNS: &str = "seed strict canonical";

/// The worlds that a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worlds {
    /// The first seed.
    pub(super) from: u64,
    /// The number of seeds.
    pub(super) seeds: u64,
    /// Whether the legacy casts play too.
    pub(super) legacy: bool,
    /// Whether the worlds are without trouble.
    pub(super) quiet: bool,
}

/// The digests of many worlds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The worlds that were played.
    pub(super) worlds: Worlds,
    /// A short digest over all policy components that played.
    pub(super) policies: String,
    /// The digests by seed.
    pub(super) digests: BTreeMap<u64, Digests>,
}

/// Writes the file. A kill leaves the former file in place.
pub(super) fn write(file: &Path, recorded: &Recorded) -> Result<()> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, told(recorded))
        .and_then(|()| std::fs::rename(&partial, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Reads the file.
pub(super) fn read(file: &Path) -> Result<Recorded> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parsed(&text).with_context(|| {
        format!(
            "{} was not written by `cargo xtask swarm --digest --write FILE` for this build",
            file.display()
        )
    })
}

fn told(recorded: &Recorded) -> String {
    let Worlds {
        from,
        seeds,
        legacy,
        quiet,
    } = recorded.worlds;
    let casts = if legacy { "all" } else { "sound" };
    let trouble = if quiet { "none" } else { "drawn" };
    let mut text = format!(
        "{TITLE} {FORMAT}\nfrom {from}\nseeds {seeds}\ncasts {casts}\ntrouble {trouble}\npolicies {}\n{COLUMNS}\n",
        recorded.policies
    );
    for (seed, Digests { strict, canonical }) in &recorded.digests {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{seed} {strict:016x} {canonical:016x}");
    }
    text
}

fn parsed(text: &str) -> Result<Recorded> {
    let mut lines = text.lines();
    let mut value = |name: &str| {
        let line = lines.next().unwrap_or_default();
        let value = line.strip_prefix(name).map(str::trim);
        value.with_context(|| format!("found the line {line:?}, where {name:?} and a value is due"))
    };
    let format = value(TITLE)?;
    if format != FORMAT.to_string() {
        bail!(
            "it has format {format}, and this build writes format {FORMAT}; record it again, with both builds at the same format"
        );
    }
    let worlds = Worlds {
        from: number(value("from")?)?,
        seeds: number(value("seeds")?)?,
        legacy: choice(value("casts")?, ["sound", "all"])?,
        quiet: choice(value("trouble")?, ["drawn", "none"])?,
    };
    let policies = value("policies")?.to_owned();
    value(COLUMNS)?;
    let digests = lines.map(world).collect::<Result<_>>()?;
    Ok(Recorded {
        worlds,
        policies,
        digests,
    })
}

fn world(line: &str) -> Result<(u64, Digests)> {
    let parts: Vec<_> = line.split(' ').collect();
    let digest = |text: &str| {
        u64::from_str_radix(text, 16)
            .with_context(|| format!("found {text:?}, where 16 hexadecimal digits are due"))
    };
    match parts.as_slice() {
        [seed, strict, canonical] => {
            let digests = Digests {
                strict: digest(strict)?,
                canonical: digest(canonical)?,
            };
            Ok((number(seed)?, digests))
        }
        _ => bail!("found the line {line:?}, where \"{COLUMNS}\" are due"),
    }
}

fn number(text: &str) -> Result<u64> {
    text.parse()
        .with_context(|| format!("found {text:?}, where a whole number is due"))
}

/// Whether `text` is the second of two words. Any other text is an error.
fn choice(text: &str, words: [&str; 2]) -> Result<bool> {
    let place = words.iter().position(|word| *word == text);
    let place = place.with_context(|| {
        let [one, other] = words;
        format!("found {text:?}, where {one:?} or {other:?} is due")
    })?;
    Ok(place == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> Recorded {
        let digests = Digests {
            strict: 0x0123_4567_89ab_cdef,
            canonical: 7,
        };
        Recorded {
            worlds: Worlds {
                from: 3,
                seeds: 1,
                legacy: false,
                quiet: true,
            },
            policies: "0123456789ab".to_owned(),
            digests: BTreeMap::from([(3, digests)]),
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let text = told(&recorded());
        assert!(
            text.ends_with("3 0123456789abcdef 0000000000000007\n"),
            "{text}"
        );
        assert_eq!(parsed(&text).unwrap(), recorded());
    }

    #[test]
    fn a_file_of_another_format_is_refused() {
        let text = told(&recorded());
        let other = text.replace(&format!("format {FORMAT}"), "format 999");
        let error = parsed(&other).unwrap_err().to_string();
        assert!(error.contains("format 999"), "{error}");
    }

    #[test]
    fn a_broken_file_is_refused_with_what_was_found() {
        let text = told(&recorded());
        let broken = [
            (text.replace("seeds 1", "seeds many"), "\"many\""),
            (text.replace("trouble none", "trouble some"), "\"some\""),
            (text.replace("0000000000000007", "seven"), "\"seven\""),
            (format!("{text}4 5\n"), "\"4 5\""),
            (String::new(), "\"\""),
        ];
        for (text, found) in broken {
            let error = format!("{:#}", parsed(&text).unwrap_err());
            assert!(error.contains(found), "{error}");
        }
    }
}
