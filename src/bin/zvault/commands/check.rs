use clap::Args;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::job::{self, Job};
use crate::json::{CheckSummary, DamageDocument, DamagedFile};
use crate::passphrase::Secrets;
use crate::traffic;
use crate::ui::{Output, Ui, bytes_text, count_text, path_text, printable};
use zvault::Trouble;
use zvault::check::{CheckOptions, CheckReport, Damage, KeylessReport, ReadData, Subset, check, keyless};
use zvault::vault::Purpose;
use zvault::vault::Vault;

/// Check that the vault is whole: its structure and signatures, and if you like all of its data
///
/// Each damaged object is named, with the files that suffer.
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Read all data as well, and verify it
    #[arg(long)]
    read_data: bool,

    /// Read a part of the data: the Nth of T parts as N/T, a random share as X%, or a random amount as SIZE
    #[arg(long, value_name = "SUBSET", value_parser = parse_subset, conflicts_with = "read_data")]
    read_data_subset: Option<Subset>,

    /// Read the data that a device has stored, or told others where it is, and verify it: its name, or the beginning of its id
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["read_data", "read_data_subset", "keyless"])]
    read_data_of: Option<String>,

    /// Compare every stored object with its name, without any key or passphrase
    #[arg(long, conflicts_with_all = ["read_data", "read_data_subset"])]
    keyless: bool,
}

pub(crate) fn run(args: CheckArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    if args.keyless {
        let url = global.url.as_deref().ok_or_else(|| {
            CommandError::usage("which vault is to be checked?")
                .hint("--keyless knows no devices: name the vault with --url or ZVAULT_URL")
        })?;
        let store = super::store_options(global, ui)?;
        let report = job::run(ui, Job::Check, None, |watch| Ok(keyless(url, &store, watch)?))?;
        return tell_keyless(&report, ui);
    }
    let vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Check)?;
    let read_data = match (args.read_data_subset, args.read_data_of) {
        (Some(subset), _) => ReadData::Subset(subset),
        (None, Some(device)) => ReadData::OfDevice(vault.find_device(&device)?.id),
        (None, None) if args.read_data => ReadData::All,
        (None, None) => ReadData::No,
    };
    ui.say(&format!("checking {}\n", printable(vault.url())))?;
    let report = job::run(ui, Job::Check, None, |watch| Ok(check(&vault, &CheckOptions { read_data }, watch)?))?;
    tell(&report, &vault, read_data, ui)
}

fn tell(report: &CheckReport, vault: &Vault, read_data: ReadData, ui: &Ui) -> Result<Done, CommandError> {
    if ui.json {
        ui.summary(&CheckSummary {
            message_type: "summary",
            num_errors: report.damaged.len(),
            snapshots: Some(report.snapshots),
            entries: Some(report.entries),
            objects: report.objects,
            packs: Some(report.packs),
            packs_read: Some(report.packs_read),
            bytes_read: report.bytes_read,
            junk: &report.junk,
            unreferenced: Some(report.unreferenced),
            leftovers: report.leftovers,
            notes: &report.notes,
            traffic: vault.traffic()[..].into(),
            damaged: documents(&report.damaged),
        })?;
        return Ok(ended(&report.damaged));
    }
    let mut text = format!(
        "checked {} with {}, and {}\n",
        count_text(report.snapshots, "snapshot", "snapshots"),
        count_text(report.entries, "entry", "entries"),
        count_text(report.objects, "object", "objects"),
    );
    text += &match read_data {
        ReadData::No => {
            format!("their data was not read ({}); --read-data does it\n", count_text(report.packs, "pack", "packs"))
        }
        _ => format!(
            "read {} of {}, {}\n",
            report.packs_read,
            count_text(report.packs, "pack", "packs"),
            bytes_text(report.bytes_read)
        ),
    };
    if report.unreferenced > 0 {
        let packs = count_text(report.unreferenced, "pack", "packs");
        text +=
            &format!("{packs}, {}, of pushes that were interrupted or go on\n", bytes_text(report.unreferenced_bytes));
    }
    text += &traffic::line(&vault.traffic());
    ui.say(&text)?;
    for note in &report.notes {
        ui.note(note);
    }
    finish(&report.damaged, &report.junk, report.leftovers, ui)
}

fn tell_keyless(report: &KeylessReport, ui: &Ui) -> Result<Done, CommandError> {
    if ui.json {
        ui.summary(&CheckSummary {
            message_type: "summary",
            num_errors: report.damaged.len(),
            snapshots: None,
            entries: None,
            objects: report.objects,
            packs: Some(report.packs),
            packs_read: None,
            bytes_read: report.bytes_read,
            junk: &report.junk,
            unreferenced: None,
            leftovers: report.leftovers,
            notes: &[],
            traffic: std::slice::from_ref(&report.traffic).into(),
            damaged: documents(&report.damaged),
        })?;
        return Ok(ended(&report.damaged));
    }
    ui.say(&format!(
        "compared {} with their names, {}\n{}",
        count_text(report.objects, "object", "objects"),
        bytes_text(report.bytes_read),
        traffic::line(std::slice::from_ref(&report.traffic)),
    ))?;
    finish(&report.damaged, &report.junk, report.leftovers, ui)
}

/// Tells what is damaged, and what does not belong there. Damage is told also when quiet.
fn finish(damaged: &[Damage], junk: &[String], leftovers: u64, ui: &Ui) -> Result<Done, CommandError> {
    for line in junk {
        ui.note(&format!("ignored: {line}"));
    }
    if leftovers > 0 {
        ui.note(&format!(
            "ignored: {} of interrupted writes",
            count_text(leftovers, "temporary file", "temporary files")
        ));
    }
    let mut output = ui.output();
    let told = damaged.iter().try_for_each(|damage| tell_damage(&mut output, damage));
    told.and_then(|()| output.finish()).or_else(CommandError::unless_closed)?;
    match damaged.len() {
        0 => ui.say("no errors were found\n")?,
        count => {
            ui.error_line(&format!("zvault: the vault is damaged: {}", count_text(count as u64, "object", "objects")))
        }
    }
    Ok(ended(damaged))
}

fn tell_damage(output: &mut Output, damage: &Damage) -> Result<(), CommandError> {
    output.text(&format!("damaged: {}: {}\n", printable(&damage.object), printable(&damage.reason)))?;
    for (snapshot, path) in &damage.files {
        output.text(&format!("  {snapshot}  {}\n", path_text(path)))?;
    }
    if damage.more_files > 0 {
        output.text(&format!("  and {} more\n", damage.more_files))?;
    }
    Ok(())
}

fn documents(damaged: &[Damage]) -> Vec<DamageDocument<'_>> {
    damaged
        .iter()
        .map(|damage| DamageDocument {
            object: &damage.object,
            reason: &damage.reason,
            files: damage
                .files
                .iter()
                .map(|(snapshot, path)| DamagedFile { snapshot, path: String::from_utf8_lossy(path) })
                .collect(),
            more_files: damage.more_files,
        })
        .collect()
}

fn ended(damaged: &[Damage]) -> Done {
    if damaged.is_empty() { Done::Complete } else { Done::Trouble(Trouble::Integrity) }
}

fn parse_subset(text: &str) -> Result<Subset, String> {
    let wrong = || "write N/T with N from 1 to T, X% with X up to 100, or a size such as 500M".to_owned();
    if let Some((n, t)) = text.split_once('/') {
        return match (n.parse(), t.parse()) {
            (Ok(n @ 1..), Ok(t)) if n <= t => Ok(Subset::Nth { n, t }),
            _ => Err(wrong()),
        };
    }
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.parse() {
            Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Subset::Percent(percent)),
            _ => Err(wrong()),
        };
    }
    match super::parse_size(text) {
        Ok(bytes @ 1..) => Ok(Subset::Bytes(bytes)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets() {
        assert_eq!(parse_subset("2/5"), Ok(Subset::Nth { n: 2, t: 5 }));
        assert_eq!(parse_subset("2.5%"), Ok(Subset::Percent(2.5)));
        assert_eq!(parse_subset("10M"), Ok(Subset::Bytes(10 << 20)));
        for text in ["", "0/5", "6/5", "1/0", "a/b", "0%", "101%", "NaN%", "0", "x", "-1"] {
            assert!(parse_subset(text).is_err(), "{text}");
        }
    }
}
