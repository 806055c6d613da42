use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::Args;
use vault_format::Time;
use zvault::source::Excludes;
use zvault::vault::Purpose;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::jitter::JitterArgs;
use crate::job::{self, Job};
use crate::json;
use crate::passphrase::Secrets;
use crate::traffic;
use crate::ui::{Ui, bytes_text, count_text, duration_text, printable};
use zvault::push::{Compression, PushOptions, PushReport, SqliteMode, StreamOptions, push};
use zvault::watch::Watch;

/// Take a snapshot of files and folders, and store what the vault does not have
///
/// Files that did not change since the last snapshot of the same path cost no more than a look at their metadata.
/// SQLite databases are captured through SQLite, also while applications write to them.
#[derive(Args)]
pub(crate) struct PushArgs {
    /// Files and folders to push; with --stdin-from-command, the command and its arguments
    #[arg(value_name = "PATH", required_unless_present_any = ["stdin", "stdin_filename"])]
    paths: Vec<OsString>,

    /// Add a tag to the snapshot; several are separated by commas
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<String>,

    /// Time of the snapshot, as 2026-01-31T12:00:00Z or '2026-01-31 12:00:00' [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    time: Option<Time>,

    /// Host name of the snapshot [default: the name of this machine]
    #[arg(long, short = 'H', value_name = "NAME")]
    host: Option<String>,

    /// Leave out what matches a pattern, in the syntax of gitignore
    #[arg(long, short, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// The same, without regard to upper and lower case
    #[arg(long, value_name = "PATTERN")]
    iexclude: Vec<String>,

    /// Leave out what matches the patterns in a file
    #[arg(long, value_name = "FILE")]
    exclude_file: Vec<PathBuf>,

    /// Leave out files that are larger
    #[arg(long, value_name = "SIZE", value_parser = super::parse_size)]
    exclude_larger_than: Option<u64>,

    /// Leave out the contents of folders that have a CACHEDIR.TAG
    #[arg(long)]
    exclude_caches: bool,

    /// Stay on the file system of each PATH
    #[arg(long, short = 'x')]
    one_file_system: bool,

    /// How hard to compress: auto, off, fastest, better, max, or a level of zstd from 1 to 22
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = parse_compression)]
    compression: Compression,

    /// Read everything, write nothing, and tell what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// Read all files again, also those that look unchanged
    #[arg(long, short)]
    force: bool,

    /// Push standard input as one file
    #[arg(long, conflicts_with_all = ["paths", "stdin_from_command"])]
    stdin: bool,

    /// Name of that file in the snapshot [default: stdin]
    #[arg(long, value_name = "NAME")]
    stdin_filename: Option<PathBuf>,

    /// Push what a command prints as one file: --stdin-from-command -- COMMAND ARGS
    #[arg(long, requires = "paths")]
    stdin_from_command: bool,

    /// Read SQLite databases as plain files; those in use are then not backed up
    #[arg(long)]
    no_sqlite: bool,

    /// Number of threads [default: one for each core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,

    #[command(flatten)]
    jitter: JitterArgs,
}

pub(crate) fn run(args: PushArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let reads_stdin = !args.stdin_from_command && (args.stdin || args.stdin_filename.is_some());
    if reads_stdin && !args.paths.is_empty() {
        return Err(CommandError::usage("--stdin-filename pushes standard input, so no PATH can be named")
            .hint("push them one after the other; or did you mean --stdin-from-command?"));
    }
    let dry_run = args.dry_run;
    args.jitter.wait(super::is_far(global, ui)?, ui)?;
    let options = args.options(global)?;
    let mut vault = super::open(global, ui, Secrets::new(&global.secret).without_stdin(reads_stdin), Purpose::Push)?;
    let count = |watch: &Watch<'_>, ended: &AtomicBool| count(&options, watch, ended);
    let report = job::run(ui, Job::Push, Some(&count), |watch| Ok(push(&mut vault, &options, watch)?))?;
    if ui.json {
        ui.summary(&json::PushSummary::new(&report, &vault.traffic(), dry_run))?;
    } else {
        ui.say(&(summary(&report, dry_run) + &traffic::line(&vault.traffic())))?;
    }
    for store in &report.stores {
        if let Some(why) = &store.error {
            let what = if store.holes > 0 { "does not have everything" } else { "does not have this snapshot yet" };
            ui.warning(&format!("the store {} {what}: {why}", store.name));
        }
    }
    if report.partial {
        if !ui.json {
            let what = if dry_run { "the snapshot would be incomplete" } else { "the snapshot is incomplete" };
            ui.error_line(&format!("zvault: {what}: {}", count_text(report.problems, "problem", "problems")));
        }
        return Ok(Done::Incomplete);
    }
    Ok(Done::Complete)
}

impl PushArgs {
    fn options(self, global: &Global) -> Result<PushOptions, CommandError> {
        let filename = self.stdin_filename.clone().unwrap_or_else(|| "stdin".into());
        let (paths, stream) = if self.stdin_from_command {
            (Vec::new(), Some(StreamOptions::Command { argv: self.paths, filename }))
        } else if self.stdin || self.stdin_filename.is_some() {
            (Vec::new(), Some(StreamOptions::Stdin { filename }))
        } else {
            (self.paths.into_iter().map(PathBuf::from).collect(), None)
        };
        let user = uzers::get_current_username().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(PushOptions {
            paths,
            stream,
            tags: self.tags,
            time: self.time,
            host: self.host.unwrap_or_else(super::host_name),
            user,
            compression: self.compression,
            excludes: self.exclude,
            iexcludes: self.iexclude,
            exclude_files: self.exclude_file,
            exclude_larger_than: self.exclude_larger_than,
            exclude_caches: self.exclude_caches,
            one_file_system: self.one_file_system,
            force: self.force,
            dry_run: self.dry_run,
            sqlite: if self.no_sqlite { SqliteMode::Off } else { SqliteMode::Auto },
            protected: [Some(super::home_path(global)?), super::cache_path(global)?].into_iter().flatten().collect(),
            workers: self.jobs.map(usize::from),
        })
    }
}

fn summary(report: &PushReport, dry_run: bool) -> String {
    let row = |name: &str, new: u64, changed: u64, unmodified: u64| {
        format!("{name:<8} {new:>10} new, {changed:>10} changed, {unmodified:>10} unmodified\n")
    };
    let mut text = row("Files:", report.files_new, report.files_changed, report.files_unmodified);
    text += &row("Dirs:", report.dirs_new, report.dirs_changed, report.dirs_unmodified);
    if report.databases > 0 {
        text += &format!("SQLite:  {:>10} captured\n", report.databases);
    }
    let added = if dry_run { "Would add to the vault" } else { "Added to the vault" };
    text +=
        &format!("{added}: {} ({} stored)\n\n", bytes_text(report.data_added), bytes_text(report.data_added_packed));
    text += &format!(
        "processed {}, {} in {}\n",
        count_text(report.total_files_processed, "file", "files"),
        bytes_text(report.total_bytes_processed),
        duration_text(report.duration),
    );
    if report.resumed_packs > 0 {
        text += &format!("found {} of an interrupted push again\n", count_text(report.resumed_packs, "pack", "packs"));
    }
    for store in report.stores.iter().filter(|store| store.error.is_none()) {
        let objects = count_text(store.objects, "object", "objects");
        let how = if store.caught_up { "caught up" } else { "has it too" };
        text += &format!("{} {how}: {objects}, {}\n", printable(&store.name), bytes_text(store.bytes));
    }
    text += &match report.snapshot {
        Some(id) => format!("snapshot {id:.8} saved\n"),
        None => "no snapshot was saved\n".to_owned(),
    };
    text
}

/// Counts what there is to push, for the bar. What it gets wrong, a folder of zvault's own for instance, only makes the
/// bar end early.
fn count(options: &PushOptions, watch: &Watch<'_>, ended: &AtomicBool) {
    let Ok(excludes) = Excludes::new(&options.excludes, &options.iexcludes, &options.exclude_files) else { return };
    if options.stream.is_some() {
        return;
    }
    let (mut files, mut bytes) = (0, 0);
    for root in &options.paths {
        let Ok(root_meta) = root.symlink_metadata() else { continue };
        let mut add = |meta: &Metadata| {
            if meta.is_file() && options.exclude_larger_than.is_none_or(|most| meta.len() <= most) {
                files += 1;
                bytes += meta.len();
            }
        };
        add(&root_meta);
        let mut folders = if root_meta.is_dir() { vec![PathBuf::new()] } else { Vec::new() };
        while let Some(folder) = folders.pop() {
            if options.exclude_caches && root.join(&folder).join("CACHEDIR.TAG").exists() {
                continue;
            }
            for entry in root.join(&folder).read_dir().into_iter().flatten().flatten() {
                if ended.load(Relaxed) {
                    return;
                }
                let path = folder.join(entry.file_name());
                let Ok(meta) = entry.metadata() else { continue };
                let elsewhere = options.one_file_system && meta.dev() != root_meta.dev();
                if excludes.excluded(path.as_os_str().as_bytes(), meta.is_dir()) || elsewhere {
                    continue;
                }
                add(&meta);
                if meta.is_dir() {
                    folders.push(path);
                }
            }
        }
    }
    watch.total_entries.store(files, Relaxed);
    watch.total_bytes.store(bytes, Relaxed);
}

fn parse_compression(text: &str) -> Result<Compression, String> {
    Ok(match text {
        "auto" => Compression::Auto,
        "off" => Compression::Off,
        "fastest" => Compression::Level(1),
        "better" => Compression::Level(9),
        "max" => Compression::Level(19),
        number => match number.parse() {
            Ok(level @ 1..=22) => Compression::Level(level),
            _ => return Err("write auto, off, fastest, better, max, or a level from 1 to 22".into()),
        },
    })
}

/// RFC 3339, or restic's form in the time zone of this machine.
fn parse_time(text: &str) -> Result<Time, String> {
    let timestamp = text.parse::<jiff::Timestamp>().or_else(|_| {
        let local = text.parse::<jiff::civil::DateTime>()?;
        local.to_zoned(jiff::tz::TimeZone::system()).map(|zoned| zoned.timestamp())
    });
    let timestamp =
        timestamp.map_err(|_: jiff::Error| "write 2026-01-31T12:00:00Z or '2026-01-31 12:00:00'".to_owned())?;
    let nanos = timestamp.as_nanosecond();
    let secs = nanos.div_euclid(1_000_000_000);
    let time = Time { secs: secs as i64, nanos: nanos.rem_euclid(1_000_000_000) as u32 };
    match time.secs >= 0 {
        true => Ok(time),
        false => Err("a snapshot is not older than 1970".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let at = |secs, nanos| Ok(Time { secs, nanos });
        assert_eq!(parse_time("2001-09-09T01:46:40Z"), at(1_000_000_000, 0));
        assert_eq!(parse_time("2001-09-09T03:46:40.5+02:00"), at(1_000_000_000, 500_000_000));
        assert!(parse_time("2001-09-09 01:46:40").is_ok());
        for text in ["", "yesterday", "2001-13-01 00:00:00", "1969-01-01T00:00:00Z", "2001-09-09T01:46:40"] {
            assert_eq!(parse_time(text).is_ok(), text == "2001-09-09T01:46:40", "{text}");
        }
    }

    #[test]
    fn compression() {
        assert_eq!(parse_compression("auto"), Ok(Compression::Auto));
        assert_eq!(parse_compression("22"), Ok(Compression::Level(22)));
        for text in ["", "0", "23", "-1", "zstd"] {
            assert!(parse_compression(text).is_err(), "{text}");
        }
    }
}
