//! What this machine's side looks like, without changing any of it.

use super::Finding;
use crate::Trouble;
use crypto_backends::{Suite, provider};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Looks at the program, the clock, the state folder and the folder of caches.
pub fn examine_machine(home: &Path, cache: Option<&Path>, tell: &mut dyn FnMut(&Finding)) -> Vec<Finding> {
    let mut findings = vec![program(), clock(SystemTime::now()), state(home)];
    findings.extend(module());
    findings.push(match cache {
        Some(cache) => room(cache),
        None => Finding::warning(
            "cache",
            "there is no folder for caches",
            "set HOME or ZVAULT_CACHE_DIR; without one, every run fetches the index anew",
        ),
    });
    findings.iter().for_each(tell);
    findings
}

fn program() -> Finding {
    let suites = [Suite::Default, Suite::Fips].into_iter().filter(|suite| provider(*suite).is_some());
    let suites: Vec<String> = suites.map(|suite| format!("{:#04x}", suite.byte())).collect();
    let said = format!("{}, format 1, suites {}", crate::PROGRAM, suites.join(" and "));
    Finding::ok("version", said)
}

/// The validated module that this program stands on, if it does.
fn module() -> Option<Finding> {
    let module = provider(Suite::Fips)?.backend.module?;
    let checks = (module.self_test)();
    let failed = checks.iter().find_map(|check| check.outcome.as_ref().err().map(|why| (check.name, why)));
    let said = format!("{}, certificate #{}", module.name, module.certificate);
    let told = "zvault fips self-test tells all of it";
    Some(match failed {
        None => Finding::ok("fips", format!("{said}: {} checks passed", checks.len())),
        Some((name, why)) => Finding::failed("fips", Trouble::Failed, format!("{said}: {name}: {why}"), told),
    })
}

/// A clock that was never set shows long ago. One that is a little off shows when a store is asked.
fn clock(now: SystemTime) -> Finding {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if since < WRITTEN {
        let said = "this machine's clock shows a time before this program was written";
        return Finding::failed(
            "time",
            Trouble::Failed,
            said,
            "set the clock: snapshots would get wrong times, and stores refuse requests",
        );
    }
    Finding::ok("time", "this machine's clock shows a possible time")
}

/// Keys lie there: it must be ours, and nobody else's to read or write.
fn state(home: &Path) -> Finding {
    let shown = home.display();
    let meta = match fs::metadata(home) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::ok("state", format!("{shown} is not there yet; it is made with the first vault"));
        }
        Err(error) => {
            return Finding::failed(
                "state",
                Trouble::Failed,
                format!("{shown}: {error}"),
                "make it readable, or name another with ZVAULT_HOME",
            );
        }
    };
    if !meta.is_dir() {
        return Finding::failed(
            "state",
            Trouble::Failed,
            format!("{shown} is no folder"),
            "name another with ZVAULT_HOME",
        );
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        let said = format!("{shown} belongs to another user (number {})", meta.uid());
        return Finding::failed(
            "state",
            Trouble::Failed,
            said,
            "run zvault as that user, or name another folder with ZVAULT_HOME",
        );
    }
    match open_to_others(home, &meta, DEPTH) {
        Ok(None) => Finding::ok("state", format!("{shown} is yours, and closed to others")),
        Ok(Some(path)) => {
            let said = format!("others can read or write {path}");
            Finding::failed(
                "state",
                Trouble::Failed,
                said,
                format!("chmod -R go-rwx {shown}; if others could write there, open the vaults anew"),
            )
        }
        Err(error) => Finding::failed("state", Trouble::Failed, error.to_string(), "make all of it yours: chown -R"),
    }
}

/// The first file or folder, the folder itself included, that others can use. What lies in a folder that is closed to
/// them is closed as well, but a copy of it would not be.
fn open_to_others(path: &Path, meta: &Metadata, depth: usize) -> io::Result<Option<String>> {
    if meta.mode() & 0o077 != 0 {
        return Ok(Some(path.display().to_string()));
    }
    if !meta.is_dir() || depth == 0 {
        return Ok(None);
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let meta = fs::symlink_metadata(&path)?;
        if !meta.is_symlink()
            && let Some(open) = open_to_others(&path, &meta, depth - 1)?
        {
            return Ok(Some(open));
        }
    }
    Ok(None)
}

/// The index and other caches need some room; where there is none, runs are slow and not wrong.
fn room(cache: &Path) -> Finding {
    let shown = cache.display();
    let there = cache.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let said = format!("{} MiB are free for {shown}", free >> 20);
            match free < LITTLE_ROOM {
                true => Finding::warning("cache", said, "make room, or name another folder with ZVAULT_CACHE_DIR"),
                false => Finding::ok("cache", said),
            }
        }
        Err(error) => {
            Finding::warning("cache", format!("{shown}: {error}"), "name another folder with ZVAULT_CACHE_DIR")
        }
    }
}

/// 2026-01-01.
const WRITTEN: Duration = Duration::from_secs(1_767_225_600);
const LITTLE_ROOM: u64 = 256 << 20;
/// `vaults/<id>/<file>` below the folder.
const DEPTH: usize = 3;

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_state_folder_that_others_can_use_is_found_and_left_alone() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let home = dir.path().join("home");
        assert_eq!(state(&home).verdict, Verdict::Ok, "not there yet");
        assert!(!home.exists());
        fs::create_dir_all(home.join("vaults/v")).expect("folders");
        fs::write(home.join("vaults/v/device"), "keys").expect("a file");
        let chmod = |path: &str, mode| fs::set_permissions(home.join(path), Permissions::from_mode(mode)).expect(path);
        for (path, mode) in [("", 0o700), ("vaults", 0o700), ("vaults/v", 0o700), ("vaults/v/device", 0o600)] {
            chmod(path, mode);
        }
        assert_eq!(state(&home).verdict, Verdict::Ok);
        for (path, good, bad) in [("", 0o700, 0o750), ("vaults/v/device", 0o600, 0o604), ("vaults/v", 0o700, 0o720)] {
            chmod(path, bad);
            let finding = state(&home);
            assert_eq!(finding.verdict, Verdict::Failed(Trouble::Failed), "{path}");
            assert!(finding.said.contains(path), "{}", finding.said);
            assert_eq!(fs::metadata(home.join(path)).expect(path).mode() & 0o777, bad, "only looked at");
            chmod(path, good);
        }
        assert_eq!(state(&home.join("vaults/v/device")).verdict, Verdict::Failed(Trouble::Failed), "a file");
    }

    #[test]
    fn clocks_and_room() {
        assert_eq!(
            clock(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400)).verdict,
            Verdict::Failed(Trouble::Failed)
        );
        assert_eq!(clock(SystemTime::now()).verdict, Verdict::Ok);
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert!(room(&dir.path().join("not/there/yet")).said.contains("MiB are free"));
        let mut told = 0;
        let findings = examine_machine(&dir.path().join("home"), None, &mut |_| told += 1);
        assert_eq!((findings.len(), told), (4, 4));
        assert_eq!(findings[3].verdict, Verdict::Warning, "no folder for caches");
    }
}
