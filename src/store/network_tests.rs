//! Stores behind a network that misbehaves: what is survived, what is sorted how, and what is never repeated.

use super::faults::Faults;
use super::retry::Pace;
use super::scripted::{Act, Endless, Server};
use super::transport::traffic::Kind;
use super::transport::{Times, Transport, TransportOptions, UploadCheck};
use super::*;
use object_store::RetryConfig;
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use std::time::Instant;

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0_u8; 32];
    for (n, byte) in bytes.iter().enumerate() {
        out[n % 32] = out[n % 32].rotate_left(3) ^ byte.wrapping_add(n as u8);
    }
    out
}

fn pack(seed: u8, len: usize) -> (ObjectName, Bytes) {
    let bytes: Bytes = (0..len).map(|n| (n as u8).wrapping_mul(seed | 1) ^ (n >> 8) as u8).collect();
    let name = PackName { tree: false, device: DeviceId([seed; 16]), hash: ObjectHash(hash(&bytes)) };
    (name.into(), bytes)
}

fn record(n: u32) -> (ObjectName, Bytes) {
    let bytes = Bytes::from(format!("record {n}"));
    (ObjectName::Roster { n, hash: ObjectHash(hash(&bytes)) }, bytes)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// About a hundred times as fast as in earnest.
fn options() -> TransportOptions {
    let times = Times { connect: ms(1000), stall: ms(200), attempt: ms(1500), slowest: 256 << 10 };
    TransportOptions { times, ..TransportOptions::default() }
}

fn pace(in_all: Duration) -> Pace {
    Pace { first: ms(5), most: ms(100), in_all, unknown_host: ms(50), silence: ms(0) }
}

fn few() -> RetryConfig {
    let mut config = retry::of_the_crate();
    (config.backoff.init_backoff, config.backoff.max_backoff) = (ms(2), ms(10));
    config
}

fn open(objects: Arc<dyn ObjectStore>, transport: &Transport, in_all: Duration) -> Store {
    let remote = Remote {
        transport: transport.clone(),
        retry_max_time: in_all,
        parallel_requests: 8,
        signing: None,
        credential: "key".into(),
        pack_class: None,
        conditional_create: true,
    };
    Store::build(objects, "s3://b".into(), None, Some(remote), pace(in_all), Patience::default()).expect("a store")
}

fn s3_with(url: &str, options: &TransportOptions, in_all: Duration) -> Store {
    let transport = Transport::new(options).expect("a transport");
    let builder = AmazonS3Builder::new()
        .with_http_connector(transport.clone())
        .with_retry(few())
        .with_endpoint(url)
        .with_bucket_name("b")
        .with_region("x")
        .with_checksum_algorithm(Checksum::SHA256)
        .with_access_key_id("key")
        .with_secret_access_key("hush");
    open(Arc::new(builder.build().expect("a client")), &transport, in_all)
}

fn s3(server: &Server) -> Store {
    s3_with(&server.url(), &options(), ms(10_000))
}

#[test]
fn the_contract_holds_over_a_network() {
    let server = Server::start();
    contract::run(&s3(&server), &hash);
    for unsorted in [false, true] {
        server.set_pages(2, unsorted);
        contract::run(&s3(&server), &hash);
    }
}

/// Every kind of trouble, in every request of a little work.
#[test]
fn whatever_happens_to_one_request_is_survived() {
    let (large, small) = (pack(3, 200_000), record(1));
    let acts = [
        Act::Say(503, vec![("retry-after", "0".into())], "<Error><Code>SlowDown</Code></Error>"),
        Act::Say(500, vec![], ""),
        Act::Say(429, vec![], ""),
        Act::Say(502, vec![("content-type", "text/html".into())], "<html>Bad gateway</html>"),
        Act::Say(400, vec![], "<Error><Code>RequestTimeout</Code></Error>"),
        Act::Say(400, vec![], "<Error><Code>BadDigest</Code></Error>"),
        Act::Say(409, vec![], "<Error><Code>ConditionalRequestConflict</Code></Error>"),
        Act::DoAndSay(500, "<Error><Code>InternalError</Code></Error>"),
        Act::Reset,
        Act::LoseReply,
        Act::Cut,
        Act::Stall,
        Act::StallBody,
    ];
    std::thread::scope(|scope| {
        for act in acts {
            let (large, small) = (&large, &small);
            scope.spawn(move || {
                let server = Server::start();
                server.set_pages(1, false);
                for kind in [Kind::Put, Kind::Get, Kind::Head, Kind::List, Kind::Delete] {
                    for n in 1..=2 {
                        server.reset();
                        server.set_pages(1, false);
                        server.at(kind, n, act.clone());
                        // Twice in a row: beyond what the library repeats on its own.
                        server.at(kind, n + 1, act.clone());
                        let (store, what) = (s3(&server), format!("{act:?} at {kind:?} {n}"));
                        for (name, bytes) in [large, small] {
                            store.put(name, bytes.clone()).expect(&what);
                            assert_eq!(store.get(name, &hash).expect(&what), bytes, "{what}");
                            assert_eq!(store.head(name).expect(&what), Some(bytes.len() as u64), "{what}");
                        }
                        assert_eq!(store.get_range(&large.0, 7..100_007).expect(&what), large.1.slice(7..100_007));
                        let names = |listing: Listing| listing.objects.iter().map(|o| o.name).collect::<Vec<_>>();
                        assert_eq!(names(store.list(&name::prefix()).expect(&what)), [small.0, large.0], "{what}");
                        assert_eq!(store.list_devices_with_logs().expect(&what), [], "{what}");
                        for (name, _) in [large, small] {
                            store.delete(name).expect(&what);
                            assert!(!store.exists(name).expect(&what), "{what}");
                        }
                        assert!(server.objects().is_empty(), "{what}");
                        let may_be_whole = matches!(act, Act::Cut | Act::StallBody);
                        if server.count(kind) >= n && !may_be_whole {
                            assert!(server.count(kind) > n, "{what}: asked again");
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn what_cannot_heal_is_an_error_of_its_own_at_once() {
    type Check = fn(&StoreError) -> bool;
    let date = |seconds: i64| {
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).expect("a date")
    };
    let late = vec![("date", date(3700))];
    let region = vec![("x-amz-bucket-region", "eu-central-1".to_owned())];
    let page = vec![("content-type", "text/html".to_owned())];
    let moved = vec![("location", "https://login.example/".to_owned())];
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; \
        the region 'x' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>";
    let cases: Vec<(Act, Check)> = vec![
        (Act::Say(403, vec![], "<Error><Code>SignatureDoesNotMatch</Code><Message>x</Message></Error>"), |e| {
            matches!(e, StoreError::WrongCredentials { .. })
        }),
        (Act::Say(403, vec![], "<Error><Code>InvalidAccessKeyId</Code></Error>"), |e| {
            matches!(e, StoreError::WrongCredentials { .. })
        }),
        (Act::Say(400, vec![], "<Error><Code>ExpiredToken</Code></Error>"), |e| {
            matches!(e, StoreError::ExpiredCredentials { .. })
        }),
        (Act::Say(403, late.clone(), "<Error><Code>RequestTimeTooSkewed</Code></Error>"), |e| {
            matches!(e, StoreError::ClockSkew { seconds: -3710..=-3690, .. })
        }),
        (Act::Say(403, late, "<Error><Code>SignatureDoesNotMatch</Code></Error>"), |e| {
            matches!(e, StoreError::ClockSkew { .. })
        }),
        (Act::Say(404, vec![], "<Error><Code>NoSuchBucket</Code></Error>"), |e| {
            matches!(e, StoreError::NoBucket { .. })
        }),
        (Act::Say(404, vec![], ""), |e| matches!(e, StoreError::NoBucket { .. })),
        (
            Act::Say(301, region, "<Error><Code>PermanentRedirect</Code></Error>"),
            |e| matches!(e, StoreError::WrongRegion { expected: Some(r), .. } if r == "eu-central-1"),
        ),
        (
            Act::Say(400, vec![], malformed),
            |e| matches!(e, StoreError::WrongRegion { expected: Some(r), .. } if r == "eu-west-1"),
        ),
        (Act::Say(403, vec![], "<Error><Code>AccessDenied</Code></Error>"), |e| {
            matches!(e, StoreError::PermissionDenied { .. }) && e.trouble() == crate::Trouble::NotAllowed
        }),
        (Act::Say(403, vec![], "<Error><Code>QuotaExceeded</Code></Error>"), |e| {
            matches!(e, StoreError::NoSpace { .. })
        }),
        (Act::Say(507, vec![], ""), |e| matches!(e, StoreError::NoSpace { .. })),
        (Act::Say(200, page.clone(), "<!DOCTYPE html><html>Welcome to the hotel</html>"), |e| {
            matches!(e, StoreError::NotAStore { .. })
        }),
        (Act::Say(200, vec![], "Welcome"), |e| matches!(e, StoreError::Other { .. })),
        (Act::Say(200, vec![], "<ListBucketResult><Contents>"), |e| matches!(e, StoreError::Other { .. })),
        // There is more, and no word of how to get it.
        (Act::Say(200, vec![], "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"), |e| {
            matches!(e, StoreError::Other { .. })
        }),
        (Act::Say(200, vec![], "<Error><Code>AccessDenied</Code></Error>"), |e| {
            matches!(e, StoreError::PermissionDenied { .. })
        }),
        (Act::Say(404, page.clone(), "<html>nginx</html>"), |e| matches!(e, StoreError::NotAStore { .. })),
        (Act::Say(403, page, "<html>Blocked by policy</html>"), |e| matches!(e, StoreError::NotAStore { .. })),
        (Act::Say(302, moved, ""), |e| matches!(e, StoreError::NotAStore { .. })),
        (Act::Say(407, vec![], ""), |e| matches!(e, StoreError::ProxyLogin { .. })),
        (Act::Say(511, vec![], ""), |e| matches!(e, StoreError::NotAStore { .. })),
        (Act::Say(400, vec![], "<Error><Code>EntirelyNew</Code></Error>"), |e| matches!(e, StoreError::Other { .. })),
    ];
    let server = Server::start();
    for (act, is_right) in cases {
        server.reset();
        server.always(Kind::List, act.clone());
        let start = Instant::now();
        let error = s3(&server).list(&name::prefix()).expect_err("refused");
        assert!(is_right(&error), "{act:?}: {error:?}");
        // The library repeats what begins with a 5, twice; a success that makes no sense may have been spoilt.
        let most = if matches!(act, Act::Say(200 | 507 | 511, ..)) { 4 } else { 1 };
        assert!(server.count(Kind::List) <= most, "{act:?}: repeated");
        assert!(start.elapsed() < ms(8000));
        let text = crate::chain(&error);
        assert!(text.starts_with("s3://b/zv1/: ") && !text.contains("hush") && !text.contains("http://"), "{text}");
        assert!(!error.hints().is_empty() || matches!(error, StoreError::Other { .. }));
        let code = if error.trouble() == crate::Trouble::NotAllowed { 13 } else { 15 };
        assert!(code == 13 || error.trouble() == crate::Trouble::Storage, "{error:?}");
    }
}

/// What cannot heal, in each request that is not a listing.
#[test]
fn refusals_are_sorted_for_every_request() {
    let server = Server::start();
    let store = s3(&server);
    let (name, bytes) = record(1);
    let denied = || Act::Say(403, vec![], "<Error><Code>AccessDenied</Code></Error>");
    for kind in [Kind::Put, Kind::Get, Kind::Head, Kind::Delete] {
        server.always(kind, denied());
    }
    let is_denied = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::PermissionDenied { .. })), "{result:?}");
    };
    is_denied(store.put(&name, bytes.clone()).map(drop));
    is_denied(store.get(&name, &hash).map(drop));
    is_denied(store.get_range(&name, 0..1).map(drop));
    is_denied(store.head(&name).map(drop));
    is_denied(store.delete(&name));
    is_denied(store.heal(&name, bytes, &hash));
    // The library may delete in bulk, where the reply is a success.
    let key = name.to_path();
    let refusal = format!(
        "<DeleteResult><Error><Key>{key}</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
    );
    server.always(Kind::Delete, Act::Say(200, vec![], refusal.leak()));
    is_denied(store.delete(&name));
    // The library would panic.
    let other =
        "<DeleteResult><Error><Key>other</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>";
    server.always(Kind::Delete, Act::Say(200, vec![], other));
    assert!(matches!(store.delete(&name), Err(StoreError::Other { .. })));
}

#[test]
fn other_dialects_are_sorted_alike() {
    type Check = fn(&StoreError) -> bool;
    let xml = |code: &str, message: &str| -> &'static str {
        Box::leak(format!("<?xml?><Error><Code>{code}</Code><Message>{message}</Message></Error>").into_boxed_str())
    };
    let server = Server::start();
    let azure = || {
        let transport = Transport::new(&options()).expect("a transport");
        let builder = MicrosoftAzureBuilder::new()
            .with_http_connector(transport.clone())
            .with_retry(few())
            .with_endpoint(format!("{}/account", server.url()))
            .with_account("account")
            .with_access_key("aHVzaA==")
            .with_container_name("c");
        open(Arc::new(builder.build().expect("a client")), &transport, ms(2000))
    };
    let gcs = || {
        let transport = Transport::new(&options()).expect("a transport");
        let key = format!(
            r#"{{"gcs_base_url": "{}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}"#,
            server.url()
        );
        let builder = GoogleCloudStorageBuilder::new()
            .with_http_connector(transport.clone())
            .with_retry(few())
            .with_service_account_key(key)
            .with_bucket_name("b");
        open(Arc::new(builder.build().expect("a client")), &transport, ms(2000))
    };
    let coded = |code: &str| vec![("x-ms-error-code", code.to_owned())];
    let stale = "<Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate.</Message>\
        <AuthenticationErrorDetail>Signature not valid in the specified time frame</AuthenticationErrorDetail></Error>";
    let cases: Vec<(bool, Act, Check)> = vec![
        (true, Act::Say(403, coded("AuthenticationFailed"), ""), |e| matches!(e, StoreError::WrongCredentials { .. })),
        (true, Act::Say(403, coded("AuthenticationFailed"), stale), |e| {
            matches!(e, StoreError::ExpiredCredentials { .. })
        }),
        (true, Act::Say(404, coded("ContainerNotFound"), ""), |e| matches!(e, StoreError::NoBucket { .. })),
        (true, Act::Say(403, coded("AuthorizationPermissionMismatch"), ""), |e| {
            matches!(e, StoreError::PermissionDenied { .. })
        }),
        (true, Act::Say(503, coded("ServerBusy"), ""), |e| matches!(e, StoreError::Unreachable { .. })),
        (false, Act::Say(401, vec![], xml("AuthenticationRequired", "Authentication required.")), |e| {
            matches!(e, StoreError::WrongCredentials { .. })
        }),
        (false, Act::Say(401, vec![], "Anonymous caller"), |e| matches!(e, StoreError::WrongCredentials { .. })),
        (false, Act::Say(400, vec![], xml("CrcMismatch", "The CRC32C you specified did not match.")), |e| {
            matches!(e, StoreError::Unreachable { .. })
        }),
        (false, Act::Say(403, vec![], xml("AccessDenied", "Access denied.")), |e| {
            matches!(e, StoreError::PermissionDenied { .. })
        }),
        (false, Act::Say(404, vec![], xml("NoSuchBucket", "The specified bucket does not exist.")), |e| {
            matches!(e, StoreError::NoBucket { .. })
        }),
        (false, Act::Say(400, vec![], xml("ExpiredToken", "Invalid argument.")), |e| {
            matches!(e, StoreError::ExpiredCredentials { .. })
        }),
    ];
    for (is_azure, act, is_right) in cases {
        server.reset();
        server.always(Kind::List, act.clone());
        let store = if is_azure { azure() } else { gcs() };
        let error = store.list(&name::prefix()).expect_err("refused");
        assert!(is_right(&error), "{act:?}: {error:?}");
        assert!(error.is_transient() || server.count(Kind::List) == 1, "{act:?}: repeated");
    }
}

/// What those say who give out credentials is not said of the store.
#[test]
fn refused_credentials_are_not_a_missing_object() {
    let server = Server::start();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "token").expect("written");
    let transport = Transport::new(&options()).expect("a transport");
    let set = |builder: AmazonS3Builder, key: &str, value: &str| builder.with_config(key.parse().expect(key), value);
    let builder = AmazonS3Builder::new()
        .with_http_connector(transport.clone())
        .with_retry(few())
        .with_endpoint(server.url())
        .with_bucket_name("b")
        .with_region("x");
    let builder = set(builder, "aws_web_identity_token_file", file.path().to_str().expect("UTF-8"));
    let builder = set(builder, "aws_role_arn", "arn:aws:iam::1:role/r");
    let builder = set(builder, "aws_endpoint_url_sts", &server.url());
    let store = open(Arc::new(builder.build().expect("a client")), &transport, ms(300));
    let (name, _) = record(1);
    let ask = |act| {
        server.reset();
        server.always(Kind::Other, act);
        let error = store.get(&name, &hash).expect_err("no credentials");
        assert_eq!(server.count(Kind::Get), 0);
        error
    };
    for (status, code) in [(404, ""), (403, "AccessDenied"), (400, "InvalidIdentityToken")] {
        let body = format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>").leak();
        let error = ask(Act::Say(status, vec![], body));
        assert!(matches!(error, StoreError::WrongCredentials { .. }), "{error:?}");
    }
    let error =
        ask(Act::Say(400, vec![], "<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error></ErrorResponse>"));
    assert!(matches!(error, StoreError::ExpiredCredentials { .. }), "{error:?}");
    let error = ask(Act::Say(503, vec![], ""));
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(store.traffic().other.requests > 4);
}

#[test]
fn hosts_that_do_not_answer_are_unreachable_and_tls_is_told_apart() {
    let refused = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let plain = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let no_tls = format!("https://{}", plain.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let error = |url: &str| {
        let error = s3_with(url, &options(), ms(300)).list(&name::prefix()).expect_err("nobody there");
        (crate::chain(&error), error)
    };
    let (text, is) = error(&refused);
    assert!(matches!(is, StoreError::Unreachable { .. }) && text.contains("refused"), "{text}");
    let (text, is) = error("http://no-such-host.invalid.localhost:1");
    assert!(matches!(is, StoreError::Unreachable { .. }), "{text}");
    let (text, is) = error("http://example.invalid:1");
    assert!(matches!(is, StoreError::PlainHttp { .. }), "{text}");
    let (text, is) = error("https://no-such-host.invalid");
    assert!(matches!(is, StoreError::Unreachable { .. }) && text.contains("not known"), "{text}");
    let (text, is) = error(&no_tls);
    assert!(matches!(is, StoreError::Tls { .. }) && text.contains("does not speak TLS"), "{text}");
}

#[test]
fn what_the_server_wants_is_waited_for_and_told() {
    let server = Server::start();
    let store = s3(&server);
    let told = Arc::new(Mutex::new(Vec::new()));
    store.on_retry({
        let told = told.clone();
        move |line| told.lock().expect("lock").push(line.to_owned())
    });
    let slow = || Act::Say(503, vec![("retry-after", "1".into())], "<Error><Code>SlowDown</Code></Error>");
    for n in 1..=4 {
        server.at(Kind::List, n, slow());
    }
    let start = Instant::now();
    store.list(&name::prefix()).expect("in the end");
    assert!(start.elapsed() >= ms(4000), "{:?}", start.elapsed());
    let lines = told.lock().expect("lock").clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("s3://b: it answered 503 (SlowDown); trying again for"), "{lines:?}");
    assert_eq!((store.traffic().list.requests, store.traffic().retries), (5, 1));
}

#[test]
fn large_uploads_of_which_the_reply_is_lost_are_not_sent_again() {
    let server = Server::start();
    let store = s3(&server);
    let (name, bytes) = pack(5, 1 << 20);
    server.at(Kind::Put, 1, Act::LoseReply);
    store.put(&name, bytes.clone()).expect("stored");
    assert_eq!((server.count(Kind::Put), server.count(Kind::Head), server.count(Kind::Get)), (1, 1, 1));
    server.reset();
    store.delete(&name).expect("deleted");
    // Applied with a flipped bit, and the reply lost: what is ours to heal is healed.
    server.at(Kind::Put, 1, Act::Spoil);
    store.put(&name, bytes.clone()).expect("the server lies");
    server.reset();
    assert!(matches!(store.put(&name, bytes), Err(StoreError::Damaged { .. })), "another's damage is reported");
}

#[test]
fn a_spoilt_upload_is_taken_away_only_if_it_is_still_there() {
    let server = Server::start();
    let (name, right) = pack(9, 40_000);
    let mut wrong = right.to_vec();
    wrong[20_000] ^= 1;
    for (there, deletes) in [(right.clone(), 0), (wrong.into(), 1)] {
        server.reset();
        let _ = s3(&server).delete(&name);
        s3(&server).put(&name, there.clone()).expect("stored");
        server.reset();
        // The server says that the bytes arrived damaged, each time: what it has then is what counts.
        let md5 = ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==".into());
        server.always(Kind::Put, Act::Say(200, vec![("etag", "x".into()), md5], ""));
        let check = TransportOptions { check: UploadCheck::ReplyMd5, ..options() };
        s3_with(&server.url(), &check, ms(300)).put(&name, right.clone()).expect_err("refused to the end");
        assert_eq!(server.count(Kind::Delete), deletes);
        assert_eq!(
            server.objects().values().cloned().collect::<Vec<_>>(),
            match deletes {
                0 => vec![there.to_vec()],
                _ => vec![],
            }
        );
    }
}

/// `object_store` must be told the length, and a slow link is not a dead one.
#[test]
fn uploads_say_how_long_they_are_and_may_be_slow() {
    let server = Server::start();
    let store = s3(&server);
    let (name, bytes) = pack(7, 600_000);
    server.at(Kind::Put, 1, Act::ReadSlowly(600_000));
    let start = Instant::now();
    store.put(&name, bytes.clone()).expect("slow, but steady");
    assert!(start.elapsed() > ms(800));
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let headers = &requests[0].headers;
    assert_eq!(headers.get("content-length").map(String::as_str), Some("600000"));
    assert!(!headers.contains_key("transfer-encoding"));
    assert!(headers.contains_key("x-amz-checksum-sha256"), "{headers:?}");
    assert_eq!(headers.get("user-agent").map(String::as_str), Some(concat!("zvault/", env!("CARGO_PKG_VERSION"))));
    let traffic = store.traffic();
    assert_eq!((traffic.put.requests, traffic.put.sent), (1, 600_000));
    assert_eq!(store.get(&name, &hash).expect("get"), bytes);
    assert_eq!(store.traffic().since(&traffic).get, Requests { requests: 1, sent: 0, received: 600_000 });
}

#[test]
fn limits_hold_and_are_no_stall() {
    let server = Server::start();
    let limits = TransportOptions { limit_upload: Some(400_000), limit_download: Some(400_000), ..options() };
    let store = s3_with(&server.url(), &limits, ms(2000));
    let (name, bytes) = pack(9, 600_000);
    for download in [false, true] {
        let start = Instant::now();
        match download {
            false => drop(store.put(&name, bytes.clone()).expect("put")),
            true => assert_eq!(store.get(&name, &hash).expect("get"), bytes),
        }
        let lasted = start.elapsed();
        assert!(lasted > ms(1200) && lasted < ms(4000), "{lasted:?}");
    }
    assert_eq!(store.traffic().retries, 0);
}

#[test]
fn checks_of_uploads_are_sent_or_compared() {
    let server = Server::start();
    let (name, bytes) = pack(11, 100_000);
    let check = |check| TransportOptions { check, ..options() };
    let store = s3_with(&server.url(), &check(UploadCheck::GoogHash), ms(1000));
    store.put(&name, Bytes::from_static(b"123456789")).expect("put");
    // The check value of CRC-32C.
    assert_eq!(server.requests()[0].headers.get("x-goog-hash").map(String::as_str), Some("crc32c=4waSgw=="));
    store.delete(&name).expect("delete");

    let store = s3_with(&server.url(), &check(UploadCheck::ReplyMd5), ms(1000));
    let reply = |md5: &str| Act::Say(200, vec![("etag", "x".into()), ("content-md5", md5.into())], "");
    server.reset();
    server.at(Kind::Put, 1, reply("AAAAAAAAAAAAAAAAAAAAAA=="));
    store.put(&name, bytes.clone()).expect("put again");
    let puts = server.requests();
    assert_eq!(server.count(Kind::Put), 2);
    assert!(puts.iter().rev().find(|r| r.method == "PUT").is_some_and(|r| !r.headers.contains_key("if-none-match")));
    server.reset();
    store.delete(&name).expect("delete");
    server.at(Kind::Put, 1, reply("JfnnlDI7RTiF9RgfG2JNCw=="));
    store.put(&name, Bytes::from_static(b"123456789")).expect("the right MD5");
    assert_eq!(server.count(Kind::Put), 1);
}

/// Stores without conditions say so, or say nothing.
#[test]
fn a_store_without_conditions_is_written_to() {
    let server = Server::start();
    let store = s3(&server);
    let (name, bytes) = record(3);
    server.at(Kind::Put, 1, Act::Say(501, vec![], "<Error><Code>NotImplemented</Code></Error>"));
    // The library repeats what begins with a 5.
    server.at(Kind::Put, 2, Act::Say(501, vec![], "<Error><Code>NotImplemented</Code></Error>"));
    server.at(Kind::Put, 3, Act::Say(501, vec![], "<Error><Code>NotImplemented</Code></Error>"));
    store.put(&name, bytes.clone()).expect("put");
    assert_eq!(server.count(Kind::Put), 4);
    store.put(&name, bytes).expect("put");
    assert_eq!(server.count(Kind::Put), 5, "known from then on");
}

#[test]
fn stores_without_a_network_count_what_they_are_asked() {
    let objects = Faults::new().wrap(Arc::new(InMemory::new()));
    let store = Store::from_object_store(objects, "memory").expect("a store");
    let (name, bytes) = record(1);
    store.put(&name, bytes.clone()).expect("put");
    store.get(&name, &hash).expect("get");
    store.list(&name::prefix()).expect("list");
    let (traffic, len) = (store.traffic(), bytes.len() as u64);
    assert_eq!(traffic.put, Requests { requests: 1, sent: len, received: 0 });
    assert_eq!(traffic.get, Requests { requests: 1, sent: 0, received: len });
    assert_eq!((traffic.list.requests, traffic.total().requests), (1, 3));
}

#[test]
fn a_listing_of_places_without_an_end_is_given_up() {
    let server = Server::start();
    let store = s3(&server);
    let page = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>on</NextContinuationToken>\
        <CommonPrefixes><Prefix>v/a/</Prefix></CommonPrefixes></ListBucketResult>";
    server.always(Kind::List, Act::Say(200, vec![("content-type", "application/xml".into())], page));
    let error = store.places().expect_err("no end");
    // Whichever notices first.
    let noticed = crate::chain(&error).contains("more names are here") || matches!(error, StoreError::Listing { .. });
    assert!(noticed, "{error:?}");
    assert!(store.traffic().list.requests > 64);
}

#[test]
fn a_listing_without_an_end_is_no_listing() {
    for (endless, says) in [
        (Endless::Nothing, "always another page"),
        (Endless::Same, "the same names come again and again"),
        (Endless::Other, "more names than any vault"),
    ] {
        let server = Server::start();
        let store = s3(&server);
        for n in 0..3 {
            let (name, bytes) = record(n);
            store.put(&name, bytes).expect("put");
        }
        server.set_endless(endless);
        let error = store.list(&name::prefix()).expect_err("no end");
        assert!(matches!(error, StoreError::Listing { .. }) && crate::chain(&error).contains(says), "{error:?}");
        assert!(error.trouble() == crate::Trouble::Integrity && !error.hints().is_empty());
        let error = store.list_devices_with_logs().expect_err("no end");
        assert!(matches!(error, StoreError::Listing { .. }), "{endless:?}: {error:?}");
    }
}

/// Empty pages come where much was deleted, and names come twice where a store does not sort.
#[test]
fn a_long_listing_with_an_end_is_one() {
    let server = Server::start();
    let store = s3(&server);
    let names: Vec<_> = (0..9000).map(record).map(|(name, bytes)| (name.to_path(), bytes.to_vec())).collect();
    server.put_objects(names);
    for (page, unsorted) in [(1000, false), (1000, true), (7, true)] {
        server.set_pages(page, unsorted);
        assert_eq!(store.list(&name::prefix()).expect("all of it").objects.len(), 9000, "{page} {unsorted}");
    }
}
