//! The one way to standard output and standard error.
//!
//! `println!` panics when the reader is gone, as in `reeve policy inspect … | head -1`. Here a reader that is gone is
//! an error, which every command passes upwards and [`main`](crate::cli::main) answers with
//! [`READER_GONE`] and no word.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

/// What a shell shows for a program that SIGPIPE ended: 128 + 13. Scripts that use `pipefail` know it from `head`'s
/// other neighbours. Dying of the signal itself would take unsafe code.
pub(crate) const READER_GONE: u8 = 141;

/// Why nothing more can be printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrintError {
    /// The program at the other end of the pipe has ended: it has what it wanted.
    #[error("the reader of standard output is gone")]
    ReaderGone,
    /// The system refused.
    #[error("cannot write to standard output; is the disk full that it is redirected to?")]
    Refused(#[source] io::Error),
}

/// Prints one line, and the line's end.
///
/// # Errors
/// [`PrintError`].
pub(crate) fn line(line: impl Display) -> Result<(), PrintError> {
    text(&format!("{line}\n"))
}

/// Prints a text as it is, at once.
///
/// # Errors
/// [`PrintError`].
pub(crate) fn text(text: &str) -> Result<(), PrintError> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => PrintError::ReaderGone,
        _ => PrintError::Refused(error),
    })
}

/// Prints one line to standard error. If that has no reader, there is no place left to say so.
pub(crate) fn error(line: impl Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
