//! How the program ends.

use std::process::ExitCode;

use crate::commands::Done;
use crate::error::CommandError;
use crate::ui::Ui;
use zvault::Trouble;

/// The exit code for a kind of trouble: the one place where they are.
pub(crate) fn code(trouble: Trouble) -> u8 {
    match trouble {
        Trouble::Usage => 2,
        Trouble::NoVault => 10,
        Trouble::Busy => 11,
        Trouble::WrongKey => 12,
        Trouble::NotAllowed => 13,
        Trouble::Integrity => 14,
        Trouble::Storage => 15,
        Trouble::Interrupted => 130,
        // `Trouble` may grow; what has no code of its own failed.
        _ => 1,
    }
}

/// Tells what went wrong, if anything, and turns it into the exit code.
pub(crate) fn report(ended: Result<Done, CommandError>, ui: &Ui) -> ExitCode {
    ExitCode::from(match ended {
        Ok(Done::Complete) => 0,
        Ok(Done::Incomplete) => 3,
        Ok(Done::Trouble(trouble)) => code(trouble),
        // Whoever reads our output has seen enough, as `head` does.
        Err(CommandError::OutputClosed) => 0,
        Err(CommandError::Failed(failed)) => {
            let code = code(failed.trouble);
            ui.failed(code, &failed);
            code
        }
    })
}
