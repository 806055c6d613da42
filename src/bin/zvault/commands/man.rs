use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::Done;
use crate::args::Cli;
use crate::error::CommandError;
use crate::ui::Ui;

/// Print the manual page, or write the pages of all commands into a folder
#[derive(Args)]
pub(crate) struct ManArgs {
    /// Folder to write the pages of all commands into
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: ManArgs, ui: &Ui) -> Result<Done, CommandError> {
    let pages = pages().map_err(|error| CommandError::output(&error))?;
    let Some(folder) = args.out else {
        let mut output = ui.output();
        output.bytes(&pages[0].1)?;
        output.finish()?;
        return Ok(Done::Complete);
    };
    std::fs::create_dir_all(&folder).map_err(|error| CommandError::io("make", &folder, &error))?;
    for (name, page) in pages {
        let path = folder.join(name);
        std::fs::write(&path, page).map_err(|error| CommandError::io("write", &path, &error))?;
    }
    Ok(Done::Complete)
}

/// File names and contents: the program's own page first, then one for each command.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut program = Cli::command();
    program.build();
    let commands: Vec<_> = program.get_subcommands().cloned().collect();
    let mut pages = vec![("zvault.1".to_owned(), render(program)?)];
    for command in commands {
        let name = format!("zvault-{}", command.get_name());
        pages.push((format!("{name}.1"), render(command.display_name(name))?));
    }
    Ok(pages)
}

fn render(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).source(concat!("zvault ", env!("CARGO_PKG_VERSION"))).manual("zvault").render(&mut page)?;
    Ok(page)
}
