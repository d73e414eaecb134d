//! Prints to standard output. `println!` would panic when the reader has ended (`| head`).

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

use anyhow::Result;

/// The exit code of a program that SIGPIPE ended, as a shell shows it: 128 + 13.
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

/// Prints one line with a line break.
///
/// # Errors
/// [`ReaderGone`], or another error of the system.
pub(crate) fn line(line: impl Display) -> Result<()> {
    match io::stdout().write_all(format!("{line}\n").as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        printed => Ok(printed?),
    }
}
