//! What was asked of the storage, at the end of a job.

use std::fmt::Write as _;

use serde::Serialize;

use crate::ui::{bytes_text, count_text};
use zvault::store::{Requests, Traffic};

/// One line for people: `14 requests: 6 list, 7 get (3.100 MiB), 1 put (4.000 KiB)`. Nothing for storage that is here:
/// there nobody waits for requests, or pays for them.
pub(crate) fn line(traffic: &Traffic, is_remote: bool) -> String {
    if !is_remote {
        return String::new();
    }
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
    text.push('\n');
    text
}

/// The same in the documents of `--json`, for every kind of storage.
#[derive(Serialize)]
pub(crate) struct TrafficDocument {
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

impl From<&Traffic> for TrafficDocument {
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
        assert_eq!(line(&traffic, true), "14 requests: 6 list, 7 get (3.000 MiB), 1 put (4.000 KiB)\n");
        traffic.retries = 2;
        assert!(line(&traffic, true).ends_with("; 2 again after a failure\n"));
        assert_eq!(line(&traffic, false), "");
        assert_eq!(line(&Traffic { head: requests(1, 0, 0), ..Traffic::default() }, true), "1 request: 1 head\n");
        let json = serde_json::to_value(TrafficDocument::from(&traffic)).expect("JSON");
        assert_eq!(json["requests"]["get"]["received"], 3 << 20);
        assert_eq!(json["retries"], 2);
    }
}
