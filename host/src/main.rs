//! The `reeve` program. The library contains all of its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    reeve::cli::main()
}
