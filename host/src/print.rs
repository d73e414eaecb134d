//! Writes to standard output and standard error; no other module does.
//!
//! `println!` panics when the reader has closed the pipe, as in `reeve policy inspect … | head -1`.
//! Here that is an error. Every command returns it, and [`main`](crate::cli::main) exits with
//! [`READER_GONE`] and no message.
//!
//! What is printed may repeat the texts of policies, boxes and AWS, so all of it is escaped.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

use reeve_core::text::{escaped, escaped_lines};

/// The exit code a shell reports for a program ended by SIGPIPE: 128 + 13. Scripts with `pipefail`
/// know it. To end by the signal itself would take unsafe code.
pub(crate) const READER_GONE: u8 = 141;

/// Why output failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrintError {
    /// The program that reads the pipe has ended.
    #[error("the reader of standard output is gone")]
    ReaderGone,
    /// The system refused the write.
    #[error("cannot write to standard output; is the disk full that it is redirected to?")]
    Refused(#[source] io::Error),
}

/// Prints one line with a line end. A line break within it is escaped.
///
/// # Errors
/// [`PrintError`].
pub(crate) fn line(line: impl Display) -> Result<(), PrintError> {
    text(&(escaped(&line.to_string()) + "\n"))
}

/// Prints a text of whole lines and flushes it.
///
/// # Errors
/// [`PrintError`].
pub(crate) fn text(text: &str) -> Result<(), PrintError> {
    let mut out = io::stdout().lock();
    let text = escaped_lines(text);
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => PrintError::ReaderGone,
        _ => PrintError::Refused(error),
    })
}

/// Rows of equally many cells as text, a line each, with the columns aligned.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let escaped = |row: &[String; N]| row.each_ref().map(|cell| escaped(cell).into_owned());
    let rows: Vec<_> = rows.iter().map(escaped).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    });
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        line.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Prints lines to standard error. A failure is ignored, because it cannot be reported.
pub(crate) fn error(line: impl Display) {
    let lines = format!("{line}\n");
    let _ = io::stderr().write_all(escaped_lines(&lines).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_neither_ends_its_row_nor_shifts_the_others() {
        let row = |cell: &str| [cell.to_owned(), "x".to_owned()];
        let table = columns(&[row("a\n\u{1b}[2J"), row(r"b\n\u001b[2J")]);
        assert_eq!(table, "a\\n\\u001b[2J  x\nb\\n\\u001b[2J  x\n");
    }
}
