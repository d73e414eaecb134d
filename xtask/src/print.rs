//! The one way to standard output: `println!` panics when the reader is gone (`| head`).

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

use anyhow::Result;

/// The exit code a shell shows for a program that SIGPIPE ended: 128 + 13.
pub(crate) const READER_GONE: u8 = 141;

/// The program at the other end of the pipe has ended.
#[derive(Debug)]
pub(crate) struct ReaderGone;

impl Display for ReaderGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reader of standard output is gone")
    }
}

impl std::error::Error for ReaderGone {}

/// Prints one line, and the line's end.
///
/// # Errors
/// [`ReaderGone`], or what the system says.
pub(crate) fn line(line: impl Display) -> Result<()> {
    match io::stdout().write_all(format!("{line}\n").as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        printed => Ok(printed?),
    }
}
