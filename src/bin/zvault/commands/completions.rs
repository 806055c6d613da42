use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Done;
use crate::args::Cli;
use crate::error::CommandError;
use crate::ui::Ui;

/// Print a script that lets a shell complete zvault's commands and options
#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to print it for
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: CompletionsArgs, ui: &Ui) -> Result<Done, CommandError> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "zvault", &mut script);
    let mut output = ui.output();
    output.bytes(&script)?;
    output.finish()?;
    Ok(Done::Complete)
}
