use clap::Args;
use vault_format::Kind;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::json::{self, LsSnapshot, Node, SnapshotDocument};
use crate::passphrase::Secrets;
use crate::ui::{Output, Ui, path_text, printable};
use zvault::ls::{LsEntry, entries};
use zvault::vault::Purpose;

/// List the files in a snapshot
///
/// Without a path everything is listed; with one, what it names and, if that is a folder, what is directly in it.
#[derive(Args)]
pub(crate) struct LsArgs {
    /// Snapshot to list: an id or its beginning, latest, or latest~N for the Nth before it; :PATH names a part of it
    #[arg(value_name = "SNAPSHOT[:PATH]", default_value = "latest")]
    snapshot: String,

    /// Show modes, owners, sizes and times
    #[arg(long, short)]
    long: bool,

    /// List also what is in the folders below the path
    #[arg(long)]
    recursive: bool,
}

pub(crate) fn run(args: LsArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    let snapshot = vault.resolve(&args.snapshot)?;
    let mut output = ui.output();
    let info = &snapshot.info;
    if ui.json {
        let snapshot = SnapshotDocument::new(info, vault.log().suspicions().get(&info.device));
        output.document(&LsSnapshot { message_type: "snapshot", struct_type: "snapshot", snapshot })?;
    } else {
        let paths: Vec<_> = info.snapshot.sources.iter().map(|source| path_text(&source.label)).collect();
        let (user, host) = (printable(&info.snapshot.user), printable(&info.snapshot.host));
        let time = json::plain_time(info.time);
        ui.note(&format!("snapshot {} of [{}] at {time} by {user}@{host}:", info.short(), paths.join(" ")));
    }
    let recursive = args.recursive || snapshot.path.is_none();
    let mut closed = None;
    let listed = entries(&vault, &snapshot, recursive, &mut |entry| {
        let written = write(&mut output, entry, ui.json, args.long);
        written.map_err(|error| {
            closed = Some(error);
            std::io::ErrorKind::Other.into()
        })
    });
    match (closed, listed) {
        (Some(error), _) => return Err(error),
        (None, listed) => listed?,
    }
    output.finish()?;
    super::tell_elsewhere(&vault, ui);
    Ok(Done::Complete)
}

fn write(output: &mut Output, found: &LsEntry<'_>, json: bool, long: bool) -> Result<(), CommandError> {
    let LsEntry { full_path, entry, user, group, .. } = found;
    if json {
        return output.document(&Node::new(full_path, entry, user.as_deref(), group.as_deref()));
    }
    let path = path_text(full_path);
    if !long {
        return output.text(&format!("{path}\n"));
    }
    let owner = user.as_deref().map_or_else(|| entry.uid.to_string(), |name| printable(name).into_owned());
    let group = group.as_deref().map_or_else(|| entry.gid.to_string(), |name| printable(name).into_owned());
    let mut line = format!(
        "{} {owner:>8} {group:>8} {:>12} {} {path}",
        json::permissions(entry),
        entry.size,
        json::plain_time(entry.mtime),
    );
    if entry.kind == Kind::Symlink {
        line = format!("{line} -> {}", path_text(&entry.target));
    }
    output.text(&format!("{line}\n"))
}
