//! Reads a script: its sections, and their order.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::time::Millis;

use super::expect::Expectation;
use super::ids::Ids;
use super::words::{Line, ScriptError};
use super::{Beginning, Script, System, Variant, setting, story};

/// The accepted first line of a script, for an error.
const HEADING: &str = "`incident NAME \"WHAT IT IS ABOUT\"`: a script begins with it";

/// The setting that must come before the story, for an error.
const LENGTH_FIRST: &str =
    "`length LENGTH`, the length of the story, in the section `setting` before the story";

/// The section that decides which lines are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Setting,
    Beginning,
    Story,
    Expect(Variant),
}

/// Reads a script.
pub(super) fn script(text: &str) -> Result<Script, ScriptError> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        lines.extend(Line::read(index + 1, line)?);
    }
    let mut lines = lines.into_iter();
    let Some(mut heading) = lines.next() else {
        return Err(at_the_end(text, HEADING));
    };
    if !heading.takes("incident") {
        return Err(heading.expected(HEADING));
    }
    let mut script = Script {
        name: heading
            .name("the incident's name, such as `stale-pointer`")?
            .to_owned(),
        title: heading
            .quoted("the subject of the incident, in one line,")?
            .to_owned(),
        seed: 1,
        length: Millis::ZERO,
        legacy: Vec::new(),
        settings: BTreeMap::new(),
        system: System::usual(),
        beginning: Beginning::default(),
        story: Vec::new(),
        expected: Vec::new(),
    };
    heading.end()?;

    let mut reading = Reading::default();
    let mut section = None;
    for mut line in lines {
        match reading.section(&mut line)? {
            Some(begun) => section = Some(begun),
            None => reading.line(section, line, &mut script)?,
        }
    }
    if script.length == Millis::ZERO {
        return Err(at_the_end(text, LENGTH_FIRST));
    }
    Ok(script)
}

/// The sections, settings and ids that were read so far. A script may have each only once.
#[derive(Debug, Default)]
struct Reading<'a> {
    sections: BTreeSet<&'static str>,
    settings: BTreeSet<String>,
    ids: Ids<'a>,
}

impl<'a> Reading<'a> {
    /// Returns the section that the line begins; `None`: the line belongs to the current section.
    fn section(&mut self, line: &mut Line<'a>) -> Result<Option<Section>, ScriptError> {
        const SECTIONS: [(&str, Section); 3] = [
            ("setting", Section::Setting),
            ("beginning", Section::Beginning),
            ("story", Section::Story),
        ];
        for (name, section) in SECTIONS {
            let mut heading = line.clone();
            // More words after a section's name make it another name, such as that of an actor.
            if heading.takes(name) && heading.end().is_ok() {
                self.once(name, &heading)?;
                if section == Section::Beginning && self.sections.contains("story") {
                    let found = "`beginning` after the story";
                    return Err(heading.wrong(found, "`beginning` before the section `story`"));
                }
                return Ok(Some(section));
            }
        }
        if !line.takes("expect") {
            return Ok(None);
        }
        let of = Variant::ALL.map(|variant| (variant.name(), variant));
        let variant = line.one_of(&of)?;
        line.end()?;
        self.once(variant.name(), line)?;
        Ok(Some(Section::Expect(variant)))
    }

    /// Fails if the script had a section of this name before.
    fn once(&mut self, name: &'static str, line: &Line) -> Result<(), ScriptError> {
        if self.sections.insert(name) {
            return Ok(());
        }
        Err(line.wrong(
            format!("`{name}` a second time"),
            "one section of each kind",
        ))
    }

    /// Reads a line of this section; `None`: no section has begun.
    fn line(
        &mut self,
        section: Option<Section>,
        mut line: Line<'a>,
        script: &mut Script,
    ) -> Result<(), ScriptError> {
        match section {
            None => Err(line.expected("`setting`: the section that follows the heading")),
            Some(Section::Setting) => setting::line(&mut line, script, &mut self.settings),
            Some(Section::Beginning) => setting::beginning(&mut line, script, &mut self.ids),
            Some(Section::Story) if script.length == Millis::ZERO => {
                Err(line.expected(LENGTH_FIRST))
            }
            Some(Section::Story) => story::line(&mut line, script, &mut self.ids),
            Some(Section::Expect(variant)) => {
                let expectation = Expectation::read(line)?;
                script.expected.push((variant, expectation));
                Ok(())
            }
        }
    }
}

fn at_the_end(text: &str, accepted: &str) -> ScriptError {
    ScriptError {
        line: text.lines().count().max(1),
        column: 1,
        found: "the end of the script".to_owned(),
        accepted: accepted.to_owned(),
    }
}
