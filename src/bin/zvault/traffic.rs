//! What was asked of the storage, at the end of a job.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::ui::{bytes_text, count_text};
use zvault::store::{Requests, Traffic};
use zvault::vault::StoreTraffic;

/// One line for people: `14 requests: 6 list, 7 get (3.100 MiB), 1 put (4.000 KiB); of these 5 to far`. Of all stores
/// together, with the names of those beside the first. Nothing for storage that is here: there nobody waits for requests, or
/// pays for them.
pub(crate) fn line(stores: &[StoreTraffic]) -> String {
    if !stores.iter().any(|store| store.is_remote) {
        return String::new();
    }
    let traffic = sum(stores.iter().filter(|store| store.is_remote));
    let mut text = count_text(traffic.total().requests, "request", "requests");
    let kinds = [
        ("list", traffic.list, 0),
        ("get", traffic.get, traffic.get.received),
        ("put", traffic.put, traffic.put.sent),
        ("head", traffic.head, 0),
        ("delete", traffic.delete, 0),
        ("other", traffic.other, 0),
    ];
    let made = kinds.iter().filter(|(_, requests, _)| requests.requests > 0);
    for (at, (name, requests, bytes)) in made.enumerate() {
        let _ = write!(text, "{} {} {name}", if at == 0 { ":" } else { "," }, requests.requests);
        if *bytes > 0 {
            let _ = write!(text, " ({})", bytes_text(*bytes));
        }
    }
    if traffic.retries > 0 {
        let _ = write!(text, "; {} again after a failure", traffic.retries);
    }
    let others = stores.iter().skip(1).filter(|store| store.is_remote && store.traffic.total().requests > 0);
    for (at, store) in others.enumerate() {
        let start = if at == 0 { "; of these" } else { "," };
        let _ = write!(text, "{start} {} to {}", store.traffic.total().requests, store.name);
    }
    text.push('\n');
    text
}

fn sum<'a>(stores: impl Iterator<Item = &'a StoreTraffic>) -> Traffic {
    stores.fold(Traffic::default(), |sum, store| sum + store.traffic)
}

/// The same in the documents of `--json`, for every kind of storage.
#[derive(Serialize)]
pub(crate) struct TrafficDocument {
    #[serde(flatten)]
    all: Counts,
    /// Where there are several stores: each of them, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    requests_by_store: BTreeMap<String, Counts>,
}

#[derive(Serialize)]
struct Counts {
    requests: Kinds,
    /// Requests that were made again after a failure; they are in the counts above.
    retries: u64,
}

#[derive(Serialize)]
struct Kinds {
    list: Kind,
    get: Kind,
    put: Kind,
    head: Kind,
    delete: Kind,
    other: Kind,
}

/// Requests, and the bytes of their bodies.
#[derive(Serialize)]
struct Kind {
    requests: u64,
    sent: u64,
    received: u64,
}

impl From<&[StoreTraffic]> for TrafficDocument {
    fn from(stores: &[StoreTraffic]) -> Self {
        let each = stores.iter().map(|store| (store.name.clone(), (&store.traffic).into()));
        let requests_by_store = if stores.len() > 1 { each.collect() } else { BTreeMap::new() };
        Self { all: (&sum(stores.iter())).into(), requests_by_store }
    }
}

impl From<&Traffic> for Counts {
    fn from(traffic: &Traffic) -> Self {
        let kind = |Requests { requests, sent, received }| Kind { requests, sent, received };
        let &Traffic { list, get, put, head, delete, other, retries } = traffic;
        let requests = Kinds {
            list: kind(list),
            get: kind(get),
            put: kind(put),
            head: kind(head),
            delete: kind(delete),
            other: kind(other),
        };
        Self { requests, retries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_there_was() {
        let requests = |requests, sent, received| Requests { requests, sent, received };
        let mut traffic = Traffic { list: requests(6, 0, 9000), ..Traffic::default() };
        traffic.get = requests(7, 0, 3 << 20);
        traffic.put = requests(1, 4096, 0);
        let store = |name: &str, is_remote, traffic| StoreTraffic { name: name.into(), is_remote, traffic };
        let far = |traffic| [store("far", true, traffic)];
        assert_eq!(line(&far(traffic)), "14 requests: 6 list, 7 get (3.000 MiB), 1 put (4.000 KiB)\n");
        traffic.retries = 2;
        assert!(line(&far(traffic)).ends_with("; 2 again after a failure\n"));
        assert_eq!(line(&[store("here", false, traffic)]), "");
        assert_eq!(line(&far(Traffic { head: requests(1, 0, 0), ..Traffic::default() })), "1 request: 1 head\n");
        let json = serde_json::to_value(TrafficDocument::from(&far(traffic)[..])).expect("JSON");
        assert_eq!(json["requests"]["get"]["received"], 3 << 20);
        assert_eq!(json["retries"], 2);
        assert!(json.get("requests_by_store").is_none());
    }

    #[test]
    fn several_stores_are_added_up_and_told_apart() {
        let puts = |n| Traffic { put: Requests { requests: n, sent: 1024 * n, received: 0 }, ..Traffic::default() };
        let store = |name: &str, is_remote, n| StoreTraffic { name: name.into(), is_remote, traffic: puts(n) };
        let stores =
            [store("cloud", true, 3), store("far", true, 4), store("unused", true, 0), store("disk", false, 5)];
        assert_eq!(line(&stores), "7 requests: 7 put (7.000 KiB); of these 4 to far\n");
        assert_eq!(
            line(&[store("disk", false, 3), store("far", true, 4)]),
            "4 requests: 4 put (4.000 KiB); of these 4 to far\n"
        );
        assert!(
            line(&[store("a", true, 1), store("b", true, 2), store("c", true, 3)])
                .ends_with("; of these 2 to b, 3 to c\n")
        );
        let json = serde_json::to_value(TrafficDocument::from(&stores[..])).expect("JSON");
        assert_eq!(json["requests"]["put"]["requests"], 12);
        assert_eq!(json["requests_by_store"]["far"]["requests"]["put"]["sent"], 4096);
        assert_eq!(json["requests_by_store"]["unused"]["retries"], 0);
    }
}
