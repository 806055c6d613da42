//! The proxy does what its rules say, and nothing else.

use super::http::{Connection, request};
use super::proxy::{Fault, Proxy, Reply, Rule, When};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A server that keeps what it got, and answers with the same body: with a length, or in chunks if the path says so.
struct Echo {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<AtomicU32>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let echo = Self {
            address: listener.local_addr().expect("it has one"),
            got: Arc::default(),
            connections: Arc::default(),
        };
        let (got, connections) = (echo.got.clone(), echo.connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Relaxed);
                let got = got.clone();
                thread::spawn(move || Self::serve(stream, &got));
            }
        });
        echo
    }

    fn serve(mut stream: std::net::TcpStream, got: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let end = loop {
                if let Some(at) = all.windows(4).position(|window| window == b"\r\n\r\n") {
                    break at + 4;
                }
                let len = stream.read(&mut piece).ok().filter(|len| *len > 0)?;
                all.extend_from_slice(&piece[..len]);
            };
            let head = String::from_utf8_lossy(&all[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            while all.len() < end + length {
                let len = stream.read(&mut piece).ok().filter(|len| *len > 0)?;
                all.extend_from_slice(&piece[..len]);
            }
            let rest = all.split_off(end + length);
            let body = all[end..].to_vec();
            got.lock().expect("no panic").push(std::mem::replace(&mut all, rest));
            let reply = if head.contains("chunks") {
                let (first, second) = body.split_at(body.len() / 2);
                let mut reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
                for chunk in [first, second] {
                    reply.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    reply.extend_from_slice(chunk);
                    reply.extend_from_slice(b"\r\n");
                }
                reply.extend_from_slice(b"0\r\n\r\n");
                reply
            } else {
                [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
            };
            stream.write_all(&reply).ok()?;
        }
    }

    fn got(&self) -> Vec<Vec<u8>> {
        self.got.lock().expect("no panic").clone()
    }
}

const BODY: &[u8] = b"0123456789abcdef";

#[test]
fn bytes_go_through_as_they_are_and_connections_are_kept() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address);
    let mut connection = Connection::new(proxy.address()).expect("it listens");
    let large = vec![7; 300_000];
    for (target, body) in [("/a?b=c", BODY), ("/chunks", BODY), ("/none", b""), ("/large", &large)] {
        let reply = connection.request("PUT", target, &[("Host", "signed.example:1"), ("x-odd", "A  b")], body);
        assert_eq!(reply.expect("a reply").expect(200).body, body, "{target}");
    }
    let head = "PUT /a?b=c HTTP/1.1\r\nHost: signed.example:1\r\nx-odd: A  b\r\nContent-Length: 16\r\n\r\n";
    assert_eq!(echo.got()[0], [head.as_bytes(), BODY].concat());
    assert_eq!((proxy.count(), echo.connections.load(Relaxed)), (4, 1));
    assert_eq!(proxy.seen()[0].target, "/a?b=c");
}

#[test]
fn every_fault_is_what_its_name_says() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address);
    let own = || Reply::s3(503, "SlowDown").header("Retry-After: 1");
    // What the client gets, if anything: a status and a body.
    type Got = Option<(u16, Vec<u8>)>;
    // With whether the server gets it all.
    let cases: Vec<(Fault, bool, Got)> = vec![
        (Fault::Latency(Duration::from_millis(1)), true, Some((200, BODY.into()))),
        (Fault::Reply(own()), false, Some((503, own().body.into()))),
        (Fault::ReplyAfter(Reply::status(500)), true, Some((500, Vec::new()))),
        (Fault::ResetBefore, false, None),
        (Fault::ResetWithin, false, None),
        (Fault::LoseReply, true, None),
        (Fault::TruncateReply, true, None),
        (Fault::FlipReply, true, Some((200, b"01234567\x39abcdef".into()))),
        (Fault::StallBefore, false, None),
        (Fault::StallWithin, true, None),
    ];
    for (fault, is_applied, expected) in cases {
        for target in ["/length", "/chunks"] {
            proxy.set([Rule::nth(2, fault.clone()).method("PUT")]);
            let before = echo.got().len();
            let mut connection = Connection::new(proxy.address()).expect("it listens");
            connection.request("PUT", target, &[], BODY).expect("the first").expect(200);
            connection.patience(Duration::from_millis(300));
            let reply = connection.request("PUT", target, &[], BODY);
            let got = reply.as_ref().ok().map(|reply| (reply.status, reply.body.clone()));
            match (&fault, &expected) {
                // In chunks another bit is in the middle.
                (Fault::FlipReply, _) => {
                    let body = got.expect("a reply").1;
                    let bits: u32 = body.iter().zip(BODY).map(|(a, b)| (a ^ b).count_ones()).sum();
                    assert_eq!((body.len(), bits), (BODY.len(), 1), "{target}");
                }
                _ => assert_eq!(got, expected, "{fault:?} {target}: {reply:?}"),
            }
            thread::sleep(Duration::from_millis(5));
            assert_eq!(echo.got().len() - before, 1 + usize::from(is_applied), "{fault:?} {target}");
            let next = request(proxy.address(), "PUT", target, &[], BODY);
            assert_eq!(next.expect("the third is as the first").expect(200).body, BODY);
            assert_eq!(proxy.seen().iter().filter(|seen| seen.fault.is_some()).count(), 1);
        }
    }
    proxy.set([Rule::nth(1, Fault::FlipRequest)]);
    let reply = request(proxy.address(), "PUT", "/", &[], BODY).expect("a reply").expect(200);
    assert_eq!(reply.body.iter().zip(BODY).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>(), 1);
    proxy.set([Rule::nth(1, Fault::ResetAfter)]);
    assert!(request(proxy.address(), "PUT", "/", &[], BODY).is_err());
}

#[test]
fn rules_pick_by_number_method_and_path() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address);
    let status =
        |method: &str, target: &str| request(proxy.address(), method, target, &[], b"").expect("a reply").status;
    let five = |status| Fault::Reply(Reply::status(status));
    proxy.set([
        Rule::when(When::Every(2), five(502)).method("GET"),
        Rule::when(When::First(1), five(503)).path("/x"),
        Rule::when(When::From(3), five(504)).path("/x").except("/xy"),
    ]);
    let got: Vec<u16> = [
        ("GET", "/"),
        ("GET", "/"),
        ("PUT", "/"),
        ("PUT", "/x"),
        ("GET", "/x"),
        ("GET", "/x"),
        ("PUT", "/xy"),
        ("PUT", "/x"),
    ]
    .map(|(method, target)| status(method, target))
    .into();
    assert_eq!(got, [200, 502, 200, 503, 200, 502, 200, 504]);
    proxy.set([]);
    assert_eq!((status("GET", "/x"), proxy.count()), (200, 1));
}

#[test]
fn latency_and_pace() {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address);
    let time = |body: &[u8]| {
        let began = Instant::now();
        request(proxy.address(), "PUT", "/", &[], body).expect("a reply").expect(200);
        began.elapsed()
    };
    proxy.latency(Duration::from_millis(100));
    assert!(time(BODY) >= Duration::from_millis(100));
    proxy.latency(Duration::ZERO);
    // Waits are never too short; how long they are beyond that is the machine's business.
    let body = vec![1; 100_000];
    proxy.throttle(Some(400_000), None);
    assert!(time(&body) >= Duration::from_millis(240));
    proxy.throttle(None, Some(400_000));
    assert!(time(&body) >= Duration::from_millis(240));
    proxy.throttle(None, None);
    time(&body);
    drop(proxy);
}
