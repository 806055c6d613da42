use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;

use super::Done;
use crate::args::Global;
use crate::error::CommandError;
use crate::json::{self, DeviceStatusDocument, StatusDocument, StoreStatusDocument};
use crate::passphrase::Secrets;
use crate::ui::{Ui, count_text, printable};
use zvault::Trouble;
use zvault::log::SnapshotInfo;
use zvault::vault::{Purpose, StoreStatus};

/// Tell how old the newest snapshots are, and how far behind each store is
#[derive(Args)]
pub(crate) struct StatusArgs {
    /// End with exit code 1 if this device's newest snapshot is older, for example 26h or 2d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_age: Option<Duration>,
}

pub(crate) fn run(args: StatusArgs, global: &Global, ui: &Ui) -> Result<Done, CommandError> {
    let vault = super::open(global, ui, Secrets::new(&global.secret), Purpose::Read)?;
    let now = zvault::now().secs;
    let mut newest: BTreeMap<_, SnapshotInfo> = BTreeMap::new();
    for info in vault.snapshots() {
        // By each device's own log: its clock may have been wrong.
        if newest.get(&info.device).is_none_or(|known| known.seq < info.seq) {
            newest.insert(info.device, info);
        }
    }
    let own = newest.get(&vault.device_id());
    let age = |info: &SnapshotInfo| Duration::from_secs(u64::try_from(now - info.time.secs).unwrap_or(0));
    let too_old = args.max_age.is_some_and(|most| own.is_none_or(|info| age(info) > most));
    let stores = vault.store_status();

    let mut output = ui.output();
    if ui.json {
        output.document(&StatusDocument {
            vault_id: vault.id().to_string(),
            device_id: vault.device_id().to_string(),
            newest_own_age: own.map(|info| age(info).as_secs()),
            max_age: args.max_age.map(|most| most.as_secs()),
            too_old,
            devices: newest
                .values()
                .map(|info| DeviceStatusDocument {
                    device_id: info.device.to_string(),
                    device_name: &info.device_name,
                    snapshot_id: info.id.to_string(),
                    time: json::time(info.time),
                })
                .collect(),
            stores: stores
                .iter()
                .map(|store| StoreStatusDocument {
                    name: &store.name,
                    url: &store.url,
                    primary: store.primary,
                    reachable: store.unreachable.is_none(),
                    error: store.unreachable.as_deref(),
                    behind: store.behind,
                    extra: store.extra,
                    level_at: store.seen.map(json::time),
                    holes: store.holes,
                })
                .collect(),
        })?;
    } else {
        for info in newest.values() {
            let mark = if info.device == vault.device_id() { "this device" } else { "" };
            let name = printable(&info.device_name);
            output.text(&format!("{name:<20} {mark:<12} {}  {}\n", json::plain_time(info.time), info.short()))?;
        }
        if newest.is_empty() {
            output.text("there are no snapshots yet\n")?;
        }
        for store in &stores {
            output.text(&line(store))?;
        }
    }
    output.finish()?;
    if !too_old {
        return Ok(Done::Complete);
    }
    if !ui.json {
        ui.error_line(match own {
            Some(_) => "zvault: this device's newest snapshot is older than it may be",
            None => "zvault: this device has no snapshot",
        });
    }
    Ok(Done::Trouble(Trouble::Failed))
}

fn line(store: &StoreStatus) -> String {
    let entries = |count| count_text(count, "entry", "entries");
    let mut state = match (&store.unreachable, store.behind) {
        (None, Some(0)) => "up to date".to_owned(),
        (None, Some(behind)) => format!("{} behind", entries(behind)),
        (None, None) => "unknown".to_owned(),
        (Some(why), behind) => {
            let seen = store.seen.map(json::plain_time);
            let behind = match (behind, seen) {
                (Some(behind), Some(seen)) => format!(", {} behind since {seen}", entries(behind)),
                _ => String::new(),
            };
            format!("cannot be reached{behind}: {}", printable(why))
        }
    };
    if store.extra > 0 {
        state += &format!(", and has {} of its own", entries(store.extra));
    }
    if store.holes > 0 {
        let objects = count_text(store.holes, "object", "objects");
        state +=
            &format!(", with holes: {objects} could not be copied to it; 'zvault mirror' fills what is whole again");
    }
    let mark = if store.primary { "primary" } else { "store" };
    format!("{:<20} {mark:<12} {state}\n", printable(&store.name))
}

/// A number with a unit: `90m`, `26h`, `2d`, `1w`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and s, m, h, d or w, for example 26h".to_owned();
    let (at, unit) = text.char_indices().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("26h", 93_600), ("2d", 172_800), ("1w", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "26", "-1h", "1.5h", "1y", "99999999999999999999h", "9999999999999999999w"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
