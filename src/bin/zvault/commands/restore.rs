use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::job::{self, Job};
use crate::json;
use crate::passphrase::Secrets;
use crate::traffic;
use crate::ui::{Ui, bytes_text, count_text, duration_text};
use zvault::Trouble;
use zvault::restore::{RestoreOptions, RestoreReport, restore};
use zvault::target::Overwrite;
use zvault::vault::Purpose;

/// Restore a snapshot, or a part of it, into a folder
///
/// A folder that holds something already is left alone, unless --overwrite or --delete says what is to happen to it.
#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// Snapshot to restore: an id or its beginning, latest, or latest~N for the Nth before it; :PATH names a part of it
    #[arg(value_name = "SNAPSHOT[:PATH]", default_value = "latest")]
    snapshot: String,

    /// Folder to restore into; it is made if it does not exist
    #[arg(long, short, value_name = "DIR")]
    target: PathBuf,

    /// Restore only what matches a pattern, in the syntax of gitignore
    #[arg(long, short, value_name = "PATTERN")]
    include: Vec<String>,

    /// Leave out what matches a pattern
    #[arg(long, short, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// What happens to files that exist in the target already
    #[arg(long, value_name = "WHEN", value_enum)]
    overwrite: Option<OverwriteArg>,

    /// Delete what is in the restored folders of the target and not in the snapshot
    #[arg(long)]
    delete: bool,

    /// Write nothing, and tell what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// Read every restored file again, and compare it with the snapshot
    #[arg(long)]
    verify: bool,

    /// Write holes as zeros
    #[arg(long)]
    no_sparse: bool,

    /// Do not restore owners [default: they are restored when run as root]
    #[arg(long)]
    no_owners: bool,
}

/// `--overwrite`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OverwriteArg {
    /// Replace them
    Always,
    /// Replace those that differ in size or time
    IfChanged,
    /// Replace those that are older
    IfNewer,
    /// Keep them
    Never,
}

pub(crate) fn run(args: RestoreArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    if args.overwrite.is_none() && !args.delete && holds_something(&args.target)? {
        return Err(CommandError::usage(format!("the target is not empty: {}", args.target.display()))
            .hint("choose an empty folder, or say what happens to the files in it: --overwrite if-changed|if-newer|always|never"));
    }
    let vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    let options = RestoreOptions {
        snapshot: vault.resolve(&args.snapshot)?,
        target: args.target,
        overwrite: args.overwrite.map_or(Overwrite::IfChanged, Into::into),
        include: args.include,
        exclude: args.exclude,
        delete: args.delete,
        dry_run: args.dry_run,
        verify: args.verify,
        sparse: !args.no_sparse,
        owners: !args.no_owners && uzers::get_effective_uid() == 0,
    };
    let report = job::run(ui, Job::Restore, None, |watch| Ok(restore(&vault, &options, watch)?))?;
    super::tell_elsewhere(&vault, ui);
    let info = &options.snapshot.info;
    if ui.json {
        ui.summary(&json::RestoreSummary {
            message_type: "summary",
            dry_run: options.dry_run,
            snapshot_id: info.id.to_string(),
            seconds_elapsed: report.duration.as_secs_f64(),
            total_files: report.files_restored + report.files_skipped,
            files_restored: report.files_restored,
            files_skipped: report.files_skipped,
            files_deleted: report.files_deleted,
            total_bytes: report.bytes_restored + report.bytes_skipped,
            bytes_restored: report.bytes_restored,
            bytes_skipped: report.bytes_skipped,
            dirs: report.dirs,
            others: report.others,
            files_verified: report.files_verified,
            problems: report.problems,
            damaged: report.damaged,
            warnings: report.warnings,
            traffic: vault.traffic()[..].into(),
        })?;
    } else {
        let requests = traffic::line(&vault.traffic());
        ui.say(&(summary(&report, &info.short(), options.dry_run) + &requests))?;
    }
    if report.problems > 0 {
        if !ui.json {
            let problems = count_text(report.problems, "problem", "problems");
            ui.error_line(&format!("zvault: the restore is incomplete: {problems}"));
        }
        // Damage is an alarm; anything else is this machine's own trouble.
        return Ok(Done::Trouble(if report.damaged > 0 { Trouble::Integrity } else { Trouble::Failed }));
    }
    Ok(Done::Complete)
}

/// Whether the target is a folder with something in it, or no folder at all.
fn holds_something(target: &Path) -> Result<bool, CommandError> {
    match std::fs::read_dir(target) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(CommandError::usage(format!("the target is not a folder: {}", target.display())))
        }
        Err(error) => Err(CommandError::io("look into the target", target, &error)),
    }
}

fn summary(report: &RestoreReport, snapshot: &str, dry_run: bool) -> String {
    let restored = if dry_run { "would restore" } else { "restored" };
    let mut what =
        vec![count_text(report.files_restored, "file", "files"), count_text(report.dirs, "folder", "folders")];
    if report.others > 0 {
        what.push(count_text(report.others, "other item", "other items"));
    }
    let mut text = format!(
        "{restored} {} of snapshot {snapshot}, {} in {}\n",
        what.join(", "),
        bytes_text(report.bytes_restored),
        duration_text(report.duration),
    );
    if report.files_skipped > 0 {
        text += &format!(
            "left {} as they were, {}\n",
            count_text(report.files_skipped, "file", "files"),
            bytes_text(report.bytes_skipped)
        );
    }
    if report.files_deleted > 0 {
        let deleted = if dry_run { "would delete" } else { "deleted" };
        text += &format!("{deleted} {}\n", count_text(report.files_deleted, "item", "items"));
    }
    if report.files_verified > 0 {
        text += &format!("verified {}\n", count_text(report.files_verified, "file", "files"));
    }
    if report.warnings > 0 {
        text += &format!("{} about metadata\n", count_text(report.warnings, "warning", "warnings"));
    }
    text
}

impl From<OverwriteArg> for Overwrite {
    fn from(arg: OverwriteArg) -> Self {
        match arg {
            OverwriteArg::Always => Self::Always,
            OverwriteArg::IfChanged => Self::IfChanged,
            OverwriteArg::IfNewer => Self::IfNewer,
            OverwriteArg::Never => Self::Never,
        }
    }
}
