//! `zvault`, the command line of the library.
mod args;
mod backend;
mod commands;
mod config;
mod env;
mod error;
mod exit;
mod jitter;
mod job;
mod json;
mod keychain;
mod passphrase;
mod traffic;
mod ui;

use std::process::ExitCode;

use args::Cli;
use ui::Ui;

fn main() -> ExitCode {
    env::no_core_files();
    env::lower_costs_in_tests();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(ended) => return ended,
    };
    let ui = Ui::new(&cli.global);
    let installed = match backend::install() {
        // What tells why there is no backend needs none.
        Err(_) if cli.command.needs_no_backend() => Ok(()),
        installed => installed,
    };
    let ended =
        installed.and_then(|()| cli.global.check()).and_then(|()| env::check()).and_then(|()| commands::run(cli, &ui));
    exit::report(ended, &ui)
}
