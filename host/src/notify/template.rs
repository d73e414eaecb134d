//! Templates: a message as one line with placeholders.

/// The template when the configuration has none.
const STANDARD: &str = "[{level}] {fleet}/{worker} {step}: {text}";
/// Short enough to read quickly, and to leave room for the text within Discord's 2,000 characters.
const CHARS_MAX: usize = 1_000;
const ACCEPTED: &str = "accepted: {worker}, {step}, {text}, {level}, {fleet}, {host}, {field:NAME}, and {{ or }} for a brace";

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The operator's own text, sent verbatim.
    Literal(String),
    /// The worker's name.
    Worker,
    /// The step's stable name.
    Step,
    /// The message's text.
    Text,
    /// The level's name.
    Level,
    /// The fleet's name.
    Fleet,
    /// The name of the host's machine.
    Host,
    /// The value of the field with this name.
    Field(String),
}

impl Template {
    /// Checks a template.
    ///
    /// # Errors
    /// What was found and what is accepted.
    pub fn parse(line: &str) -> Result<Self, String> {
        let length = line.chars().count();
        if !(1..=CHARS_MAX).contains(&length) || line.chars().any(char::is_control) {
            return Err(format!(
                "found a template of {length} characters; accepted: a line of 1 to {CHARS_MAX}, without control characters"
            ));
        }
        let mut parts = Vec::new();
        let mut rest = line;
        while let Some(place) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(place);
            push_literal(&mut parts, before);
            if let Some(after) = ["{{", "}}"]
                .iter()
                .find_map(|pair| from_brace.strip_prefix(pair))
            {
                push_literal(&mut parts, &from_brace[..1]);
                rest = after;
                continue;
            }
            let inside = from_brace
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'));
            let Some((name, after)) = inside else {
                return Err(format!("a brace stands alone in the template; {ACCEPTED}"));
            };
            parts.push(placeholder(name)?);
            rest = after;
        }
        push_literal(&mut parts, rest);
        Ok(Self(parts))
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }
}

impl Default for Template {
    /// Level, fleet, worker, step and text.
    fn default() -> Self {
        // A test checks that this parses. The fallback still sends the text.
        Self::parse(STANDARD).unwrap_or(Self(vec![Part::Text]))
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Literal(literal)) => literal.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
}

fn placeholder(name: &str) -> Result<Part, String> {
    Ok(match name {
        "worker" => Part::Worker,
        "step" => Part::Step,
        "text" => Part::Text,
        "level" => Part::Level,
        "fleet" => Part::Fleet,
        "host" => Part::Host,
        _ => match name.strip_prefix("field:") {
            Some(field) if !field.is_empty() => Part::Field(field.to_owned()),
            _ => return Err(format!("unknown placeholder `{{{name}}}`; {ACCEPTED}")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_at_its_placeholders() {
        let template = Template::parse("{{{worker}}} on {host}: {field:instance}!").unwrap();
        let literal = |text: &str| Part::Literal(text.to_owned());
        let expected = [
            literal("{"),
            Part::Worker,
            literal("} on "),
            Part::Host,
            literal(": "),
            Part::Field("instance".to_owned()),
            literal("!"),
        ];
        assert_eq!(template.parts(), expected);
    }

    #[test]
    fn the_standard_template_is_the_documented_one() {
        assert_eq!(Template::default(), Template::parse(STANDARD).unwrap());
    }

    #[test]
    fn an_invalid_template_is_refused_with_what_is_accepted() {
        let cases = [
            (
                "{wroker} failed",
                "unknown placeholder `{wroker}`; accepted: {worker}, {step}",
            ),
            ("{field:}", "unknown placeholder `{field:}`"),
            ("half {worker", "a brace stands alone"),
            ("worker}", "a brace stands alone"),
            ("", "found a template of 0 characters"),
            ("two\nlines", "without control characters"),
        ];
        for (line, expected) in cases {
            let error = Template::parse(line).expect_err(line);
            assert!(
                error.starts_with(expected) || error.ends_with(expected),
                "{line}: {error}"
            );
        }
    }
}
