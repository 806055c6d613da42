//! What a store does, and what this credential may do there.

use super::{Finding, Verdict};
use crate::Trouble;
use crate::store::{Conditional, Probe, Store, StoreError};
use bytes::Bytes;
use crypto_backends::provider;
use std::time::{Duration, Instant, SystemTime};
use vault_format::{Header, name};

/// What was found out about a store.
#[derive(Clone, Debug, Default)]
pub struct StoreReport {
    /// In the order in which it was tried.
    pub findings: Vec<Finding>,
    /// What conditional creates do, if it came to that.
    pub conditional: Option<Conditional>,
    /// How long a small request takes, if it came to that: the middle one of several.
    pub latency: Option<Duration>,
    /// Scratch objects that could not be deleted.
    pub remain: Vec<String>,
}

/// Tries what zvault needs of a store. `write`: also what leaves traces while it runs. `tell` hears each finding at once,
/// because a store that is ill may take its time. `nonce` keeps runs apart.
pub fn examine_store(store: &Store, write: bool, nonce: [u8; 8], tell: &mut dyn FnMut(&Finding)) -> StoreReport {
    let mut bench = Bench { report: StoreReport::default(), tell, is_hopeless: false };
    let records = bench.list(store);
    bench.read(store, records);
    if !write {
        bench.add(Finding::skipped("write", "nothing is to be written"));
        return bench.report;
    }
    if bench.is_hopeless {
        bench.add(Finding::skipped("write", "the store has to be reached first"));
        return bench.report;
    }
    let probe = store.probe(nonce);
    if bench.write(&probe) {
        bench.read_back(&probe);
        bench.ranges(&probe);
        bench.clock(&probe);
        bench.list_after_write(&probe);
        bench.conditional(&probe);
        bench.delete(&probe);
    }
    bench.clean(probe);
    bench.report
}

/// What to say of a store that could not even be opened.
pub fn not_opened(error: &StoreError) -> Finding {
    of_error("open", error)
}

struct Bench<'a> {
    report: StoreReport,
    tell: &'a mut dyn FnMut(&Finding),
    /// The first request failed in a way in which all others will.
    is_hopeless: bool,
}

impl Bench<'_> {
    fn add(&mut self, finding: Finding) {
        (self.tell)(&finding);
        self.report.findings.push(finding);
    }

    /// The names of roster records: what every command lists first.
    fn list(&mut self, store: &Store) -> Vec<name::ObjectName> {
        match store.list(&name::roster_prefix()) {
            Ok(listing) => {
                let names: Vec<_> = listing.objects.iter().map(|object| object.name).collect();
                self.add(Finding::ok(
                    "list",
                    match names.len() {
                        0 => "the store answers; no vault is there yet".to_owned(),
                        1 => "the vault's roster: 1 record".to_owned(),
                        count => format!("the vault's roster: {count} records"),
                    },
                ));
                names
            }
            // A store that makes folders with the first object has none to list before.
            Err(StoreError::NotFound { .. }) if store.folder().is_some() => {
                self.add(Finding::ok("list", "the folder is there; no vault is in it yet"));
                Vec::new()
            }
            Err(error) => {
                use StoreError as E;
                // A permission is for one kind of request; these are for all.
                self.is_hopeless = matches!(
                    error,
                    E::NoBucket { .. }
                        | E::WrongCredentials { .. }
                        | E::ExpiredCredentials { .. }
                        | E::ClockSkew { .. }
                        | E::WrongRegion { .. }
                        | E::Tls { .. }
                        | E::PlainHttp { .. }
                        | E::NotAStore { .. }
                        | E::ProxyLogin { .. }
                );
                self.add(of_error("list", &error));
                Vec::new()
            }
        }
    }

    fn read(&mut self, store: &Store, records: Vec<name::ObjectName>) {
        let Some(name) = records.first() else {
            return self.add(Finding::skipped("read", "there is nothing to read yet"));
        };
        let finding = match store.get_unverified(name) {
            Ok(bytes) => match Header::parse(&bytes).ok().filter(|header| provider(header.suite).is_none()) {
                // Of all that is there only this one was looked at.
                Some(header) => Finding::warning(
                    "read",
                    format!("a record of suite {:#04x}, which this program does not have", header.suite.byte()),
                    "a vault of that suite needs a build of zvault with it; 'zvault check --keyless' tells whether it is one",
                ),
                None => Finding::ok("read", format!("a record of {} bytes", bytes.len())),
            },
            Err(error) => of_error("read", &error),
        };
        self.add(finding);
    }

    fn write(&mut self, probe: &Probe) -> bool {
        let began = Instant::now();
        let finding = match probe.put("object", pattern()) {
            Ok(()) => Finding::ok("write", format!("an object of 64 KiB in {}", millis(began.elapsed()))),
            Err(error) => of_error("write", &error),
        };
        let written = finding.verdict == Verdict::Ok;
        self.add(finding);
        written
    }

    fn read_back(&mut self, probe: &Probe) {
        let mut times = Vec::new();
        for _ in 0..READS {
            let began = Instant::now();
            match probe.get("object") {
                Ok(Some(bytes)) if bytes == pattern() => times.push(began.elapsed()),
                Ok(Some(_)) => {
                    return self.add(lies("read back", "the store gives back other bytes than it was given"));
                }
                Ok(None) => return self.add(lies("read back", "the store does not have what it said it had stored")),
                Err(error) => return self.add(of_error("read back", &error)),
            }
        }
        times.sort_unstable();
        let middle = times[READS / 2];
        self.report.latency = Some(middle);
        self.add(Finding::ok("read back", format!("the same bytes, in {}", millis(middle))));
    }

    fn ranges(&mut self, probe: &Probe) {
        let whole = pattern();
        let size = whole.len() as u64;
        for range in [0..1, 0..size, 5..4101, size / 2..size / 2 + 1, size - 1..size] {
            let wanted = &whole[range.start as usize..range.end as usize];
            match probe.get_range("object", range.clone()) {
                Ok(Some(bytes)) if bytes == *wanted => {}
                Ok(_) => {
                    let said = format!("asked for bytes {} to {}, it gives others", range.start, range.end);
                    return self.add(lies("parts", &said));
                }
                Err(error) => return self.add(of_error("parts", &error)),
            }
        }
        self.add(Finding::ok("parts", "parts of objects are exact"));
    }

    /// The store's clock against ours, as far as the age of an object tells.
    fn clock(&mut self, probe: &Probe) {
        let before = SystemTime::now();
        let written = match probe.put("clock", Bytes::from_static(b"now")).and_then(|()| probe.written_at("clock")) {
            Ok(written) => written,
            Err(error) => return self.add(of_error("clock", &error)),
        };
        let after = SystemTime::now();
        // Stores round to seconds.
        let ahead = written.duration_since(after + ROUNDING).unwrap_or_default();
        let behind = (before - ROUNDING).duration_since(written).unwrap_or_default();
        let (skew, which) = if ahead > behind { (ahead, "behind") } else { (behind, "ahead of") };
        let said = format!("this machine's clock is {} s {which} the store's", skew.as_secs());
        self.add(if skew < MINOR_SKEW {
            Finding::ok("clock", "this machine and the store agree on the time")
        } else if skew < MAJOR_SKEW {
            Finding::warning("clock", said, "set the clock; from 15 minutes on cloud stores refuse signed requests")
        } else {
            Finding::failed(
                "clock",
                Trouble::Storage,
                said,
                "set the clock: signed requests are refused, and snapshots get wrong times",
            )
        });
    }

    fn list_after_write(&mut self, probe: &Probe) {
        let finding = match probe.list_after_write() {
            Ok((seen, rounds)) if seen == rounds => {
                Finding::ok("consistency", format!("{rounds} of {rounds} times a new object was listed at once"))
            }
            Ok((seen, rounds)) => {
                let late = match probe.until_listed(PATIENCE) {
                    Ok(Some(time)) => format!("the others followed within {}", millis(time)),
                    Ok(None) => format!("the others did not follow within {} s", PATIENCE.as_secs()),
                    Err(error) => crate::chain(&error),
                };
                Finding::failed(
                    "consistency",
                    Trouble::Storage,
                    format!("only {seen} of {rounds} times a new object was listed at once; {late}"),
                    "a vault needs a store whose listings show what was stored: do not keep one here, nor behind a cache that keeps listings",
                )
            }
            Err(error) => of_error("consistency", &error),
        };
        self.add(finding);
    }

    fn conditional(&mut self, probe: &Probe) {
        let means = "names are unique, so zvault does not need it; a stolen credential can overwrite objects";
        let finding = match probe.conditional_create() {
            Ok(conditional) => {
                self.report.conditional = Some(conditional);
                match conditional {
                    Conditional::Honoured => {
                        Finding::ok("create", "honoured: of several who create one name at once, one wins")
                    }
                    Conditional::Racy => Finding::warning(
                        "create",
                        "racy: several who create one name at once are all told that they won",
                        means,
                    ),
                    Conditional::Ignored => Finding::warning(
                        "create",
                        "ignored: a second create overwrites the first and says that it did not",
                        means,
                    ),
                    Conditional::Refused => Finding::warning(
                        "create",
                        "refused: the store cannot create on condition that nothing is there",
                        means,
                    ),
                }
            }
            Err(error) => of_error("create", &error),
        };
        self.add(finding);
    }

    fn delete(&mut self, probe: &Probe) {
        let finding = match probe.delete("object") {
            Ok(()) => match probe.get("object") {
                Ok(None) => Finding::ok("delete", "a deleted object is gone"),
                Ok(Some(_)) => Finding::warning(
                    "delete",
                    "the store said that it had deleted an object, and still gives it",
                    "pruning would free nothing; is there a cache before the store?",
                ),
                // Who may not list the bucket is not told what is missing.
                Err(StoreError::PermissionDenied { .. }) => Finding::warning(
                    "delete",
                    "a deleted object is answered with \"permission denied\" and not with \"not found\"",
                    "this credential may not list the whole bucket: pushes work, a restore cannot tell what is missing from what is forbidden",
                ),
                Err(error) => of_error("delete", &error),
            },
            Err(error @ StoreError::PermissionDenied { .. }) => Finding::warning(
                "delete",
                crate::chain(&error),
                "right for a machine that pushes only; pruning needs a credential that may delete",
            ),
            Err(error) => of_error("delete", &error),
        };
        self.add(finding);
    }

    fn clean(&mut self, probe: Probe) {
        let remain: Vec<String> = probe.clean().into_iter().map(|(name, _)| name).collect();
        if !remain.is_empty() {
            let said = format!("{} of this test could not be deleted: {}", objects(remain.len()), remain.join(", "));
            self.add(Finding::warning(
                "clean up",
                said,
                "harmless; delete them with a credential that may, or by a lifecycle rule for zv1-doctor/",
            ));
        }
        self.report.remain = remain;
    }
}

/// A failure of the store, with what the error itself advises.
fn of_error(probe: &'static str, error: &StoreError) -> Finding {
    Finding { probe, verdict: Verdict::Failed(error.trouble()), said: crate::chain(error), advice: error.hints() }
}

fn lies(probe: &'static str, said: &str) -> Finding {
    Finding::failed(
        probe,
        Trouble::Integrity,
        said,
        "do not trust this store with a vault, and look at what lies between it and this machine",
    )
}

/// 64 KiB in which no part is like another.
fn pattern() -> Bytes {
    (0..16_384u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<u8>>().into()
}

fn objects(count: usize) -> String {
    format!("{count} {}", if count == 1 { "object" } else { "objects" })
}

fn millis(time: Duration) -> String {
    match time.as_millis() {
        0 => "less than 1 ms".to_owned(),
        millis => format!("{millis} ms"),
    }
}

/// How long a listing may lag before it is called late for good.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
const READS: usize = 5;
const ROUNDING: Duration = Duration::from_secs(2);
const MINOR_SKEW: Duration = Duration::from_secs(60);
const MAJOR_SKEW: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::faults::{Fault, Faults, Operation};
    use crate::store::{OpenMode, StoreOptions, StoreUrl};
    use object_store::memory::InMemory;
    use std::sync::Arc;

    fn faulty() -> (Faults, Store) {
        let faults = Faults::new();
        let store = Store::from_object_store(faults.wrap(Arc::new(InMemory::new())), "faulty").expect("open");
        (faults, store)
    }

    fn examine(store: &Store) -> StoreReport {
        examine_store(store, true, [9; 8], &mut |_| ())
    }

    fn verdict(report: &StoreReport, probe: &str) -> Verdict {
        report.findings.iter().find(|finding| finding.probe == probe).expect(probe).verdict
    }

    #[test]
    fn a_good_store_is_fine_and_left_as_it_was() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for url in [StoreUrl::Folder(dir.path().join("vault")), StoreUrl::parse("memory://doctor").expect("url")] {
            let store = Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("open");
            let mut told = Vec::new();
            let report = examine_store(&store, true, [9; 8], &mut |finding| told.push(finding.clone()));
            assert_eq!(told, report.findings);
            let bad = report.findings.iter().find(|f| !matches!(f.verdict, Verdict::Ok | Verdict::Skipped));
            assert_eq!(bad, None, "{url}");
            assert_eq!(super::super::trouble(&report.findings), None);
            assert_eq!((report.conditional, report.remain.len()), (Some(Conditional::Honoured), 0));
            assert!(report.latency.is_some());
            assert_eq!(store.strangers().expect("strangers"), [""; 0]);
        }
        assert_eq!(std::fs::read_dir(dir.path().join("vault")).expect("list").count(), 1, "zv1 only");
    }

    #[test]
    fn looking_only_writes_nothing() {
        let (faults, store) = faulty();
        faults.always(Operation::Put, Fault::Fail);
        let report = examine_store(&store, false, [9; 8], &mut |_| ());
        assert_eq!(verdict(&report, "write"), Verdict::Skipped);
        assert_eq!(super::super::trouble(&report.findings), None);
    }

    #[test]
    fn each_failure_is_told_and_what_can_be_tried_is() {
        let (faults, store) = faulty();
        faults.always(Operation::List, Fault::Fail);
        let report = examine(&store);
        assert_eq!(verdict(&report, "list"), Verdict::Failed(Trouble::Storage));
        assert_eq!(verdict(&report, "read back"), Verdict::Ok);
        assert_eq!(verdict(&report, "consistency"), Verdict::Failed(Trouble::Storage));

        let (faults, store) = faulty();
        faults.always(Operation::Put, Fault::Fail);
        let report = examine(&store);
        assert_eq!(verdict(&report, "write"), Verdict::Failed(Trouble::Storage));
        assert!(!report.findings.iter().any(|finding| finding.probe == "read back"), "nothing to read back");

        let (faults, store) = faulty();
        faults.always(Operation::Get, Fault::FlipBit);
        assert_eq!(verdict(&examine(&store), "read back"), Verdict::Failed(Trouble::Integrity));

        let (faults, store) = faulty();
        faults.always(Operation::Delete, Fault::Fail);
        let report = examine(&store);
        assert_eq!(verdict(&report, "delete"), Verdict::Failed(Trouble::Storage));
        assert_eq!(verdict(&report, "clean up"), Verdict::Warning);
        assert!(report.remain.iter().all(|name| name.starts_with("zv1-doctor/0909090909090909/")));
        assert!(report.remain.len() > 5);
    }

    #[test]
    fn listings_that_lag_fail() {
        let (faults, store) = faulty();
        faults.freeze_lists();
        // Only the one probe: waiting for the others takes its time.
        let probe = store.probe([1; 8]);
        let mut bench = Bench { report: StoreReport::default(), tell: &mut |_| (), is_hopeless: false };
        bench.list_after_write(&probe);
        assert_eq!(verdict(&bench.report, "consistency"), Verdict::Failed(Trouble::Storage));
        assert!(bench.report.findings[0].said.starts_with("only 0 of 5 times"), "{}", bench.report.findings[0].said);
    }
}
