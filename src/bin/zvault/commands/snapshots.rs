use clap::Args;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::json::{self, SnapshotDocument};
use crate::passphrase::Secrets;
use crate::ui::{Ui, bytes_text, count_text, path_text, printable};
use zvault::log::SnapshotInfo;
use zvault::vault::Purpose;

/// List the snapshots in the vault, oldest first
#[derive(Args)]
pub(crate) struct SnapshotsArgs {
    /// Only those of a host; may be given several times
    #[arg(long, short = 'H', value_name = "NAME")]
    host: Vec<String>,

    /// Only those that have all of these tags, separated by commas; may be given several times, for one or the other
    #[arg(long, value_name = "TAGS")]
    tag: Vec<String>,

    /// Only those of a path; may be given several times
    #[arg(long, value_name = "PATH")]
    path: Vec<String>,

    /// Only the newest N of each host and set of paths
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    latest: Option<u32>,

    /// One line for each snapshot, with less in it
    #[arg(long, short)]
    compact: bool,
}

pub(crate) fn run(args: SnapshotsArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    let all = vault.snapshots();
    let mut wanted: Vec<&SnapshotInfo> = all.iter().filter(|info| args.wants(info)).collect();
    if let Some(most) = args.latest {
        keep_latest(&mut wanted, most);
    }
    let suspicion = |info: &SnapshotInfo| vault.log().suspicions().get(&info.device);
    let mut output = ui.output();
    if ui.json {
        let documents = wanted.iter().map(|info| SnapshotDocument::new(info, suspicion(info)));
        output.document(&documents.collect::<Vec<_>>())?;
    } else if !wanted.is_empty() {
        output.text(&table(&wanted, args.compact, &|info| suspicion(info).is_some()))?;
    }
    output.finish()?;
    if !ui.json && wanted.is_empty() {
        ui.note(if all.is_empty() { "there are no snapshots yet" } else { "no snapshot matches" });
    }
    Ok(Done::Complete)
}

impl SnapshotsArgs {
    fn wants(&self, info: &SnapshotInfo) -> bool {
        let snapshot = &info.snapshot;
        let has_all = |tags: &String| tags.split(',').all(|tag| snapshot.tags.iter().any(|has| has == tag));
        let has_path = |path: &String| snapshot.sources.iter().any(|source| source.label == path.as_bytes());
        (self.host.is_empty() || self.host.contains(&snapshot.host))
            && (self.tag.is_empty() || self.tag.iter().any(has_all))
            && self.path.iter().all(has_path)
    }
}

/// Keeps the newest of each host and set of paths.
fn keep_latest(snapshots: &mut Vec<&SnapshotInfo>, most: u32) {
    let mut kept = std::collections::HashMap::<_, u32>::new();
    let mut newest_first: Vec<_> = snapshots.drain(..).rev().collect();
    newest_first.retain(|info| {
        let paths: Vec<&[u8]> = info.snapshot.sources.iter().map(|source| &*source.label).collect();
        let count = kept.entry((&*info.snapshot.host, paths)).or_default();
        *count += 1;
        *count <= most
    });
    snapshots.extend(newest_first.into_iter().rev());
}

fn table(snapshots: &[&SnapshotInfo], compact: bool, is_suspect: &dyn Fn(&SnapshotInfo) -> bool) -> String {
    let mut rows: Vec<Vec<[String; 6]>> = Vec::new();
    for info in snapshots {
        let snapshot = &info.snapshot;
        let bytes = snapshot.sources.iter().map(|source| source.bytes).sum();
        let mark = match (info.partial(), is_suspect(info)) {
            (true, true) => " (incomplete, of a device that is not believed)",
            (true, false) => " (incomplete)",
            (false, true) => " (of a device that is not believed)",
            (false, false) => "",
        };
        let tags: Vec<String> = snapshot.tags.iter().map(|tag| printable(tag).into_owned()).collect();
        let paths: Vec<String> = snapshot.sources.iter().map(|source| path_text(&source.label).into_owned()).collect();
        let lines = if compact { 1 } else { tags.len().max(paths.len()).max(1) };
        let line = |at: usize| {
            let first = |text: String| if at == 0 { text } else { String::new() };
            let cell = |list: &[String]| list.get(at).cloned().unwrap_or_default();
            [
                first(info.short()),
                first(json::plain_time(info.time)),
                first(printable(&snapshot.host).into_owned()),
                if compact { tags.join(",") } else { cell(&tags) },
                if compact { paths.join(", ") } else { cell(&paths) },
                first(format!("{}{mark}", bytes_text(bytes))),
            ]
        };
        rows.push((0..lines).map(line).collect());
    }
    let widths: [usize; 6] = std::array::from_fn(|column| {
        let cells = rows.iter().flatten().map(|row| row[column].chars().count());
        cells.chain([HEADS[column].len()]).max().unwrap_or_default()
    });
    let format_row = |cells: &[&str; 6]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let rule = format!("{}\n", "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
    let mut text = format_row(&HEADS) + &rule;
    for row in rows.iter().flatten() {
        text += &format_row(&row.each_ref().map(|cell| &**cell));
    }
    text + &rule + &format!("{}\n", count_text(snapshots.len() as u64, "snapshot", "snapshots"))
}

const HEADS: [&str; 6] = ["ID", "Time", "Host", "Tags", "Paths", "Size"];
