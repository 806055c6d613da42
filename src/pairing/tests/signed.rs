//! A joiner that has signed URLs and nothing else, and whoever has the bucket and not the ticket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use vault_format::pairing::mail_object;

use super::*;
use crate::pairing::noise::Handshake;
use crate::store::{OpenMode, SignedUrlError, Store, StoreOptions, StoreUrl};

/// What the server does in place of what it is asked.
enum Act {
    /// This is the reply.
    Say(u16, String, Vec<u8>),
    /// What is put, or is there, is this from now on; then as asked.
    Exchange(Vec<u8>),
    /// As asked.
    Do,
}

/// Decides by method, step, and how often that was asked before.
type Trick = Box<dyn Fn(&Server, &str, u8, usize) -> Act + Send + Sync>;

/// A bucket behind signed URLs: it takes what is signed, and nothing else.
struct Server {
    address: SocketAddr,
    store: Store,
    asked: Mutex<Vec<(String, u8, String)>>,
    trick: Trick,
}

const SIGNATURE: &str = "X-Sig=c4n4ry";

impl Server {
    fn start(name: &str, trick: Trick) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = StoreUrl::parse(&format!("memory://signed-{name}")).expect("a URL");
        let store = Store::open(&url, &StoreOptions::default(), OpenMode::Create).expect("a store");
        let address = listener.local_addr().expect("an address");
        let server = Arc::new(Self { address, store, asked: Mutex::default(), trick });
        let serving = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || while serving.serve(&stream).is_some() {});
            }
        });
        server
    }

    fn urls(&self, names: &[ObjectName]) -> Vec<String> {
        names.iter().map(|name| format!("http://{}/b/p/{}?{SIGNATURE}", self.address, name.to_path())).collect()
    }

    /// The object of a step, if it is there.
    fn there(&self, step: u8) -> Option<ObjectName> {
        let all = self.store.list(&vault_format::name::prefix()).expect("a listing").objects;
        all.iter().map(|object| object.name).find(|name| matches!(name, ObjectName::Mail { n, .. } if *n == step))
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while reader.read_line(&mut head).ok()? > 2 {}
        let mut body = vec![0; length(&head)];
        reader.read_exact(&mut body).ok()?;
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let (path, query) = target.split_once('?')?;
        let name = ObjectName::parse(path.strip_prefix("/b/p/")?)?;
        let ObjectName::Mail { n, .. } = name else { return None };
        let before = {
            let mut asked = self.asked.lock().expect("no panics");
            asked.push((method.clone(), n, head.to_ascii_lowercase()));
            asked.iter().filter(|(other, step, _)| (other, *step) == (&method, n)).count() - 1
        };
        let act = match query == SIGNATURE && (method == "PUT") == (n % 2 == 0) {
            true => (self.trick)(self, &method, n, before),
            false => Act::Say(403, String::new(), b"<Error><Code>SignatureDoesNotMatch</Code></Error>".to_vec()),
        };
        let (status, more, body) = match act {
            Act::Say(status, more, body) => (status, more, body),
            act => {
                if let Act::Exchange(other) = &act {
                    body.clone_from(other);
                }
                let is_there = self.store.exists(&name).expect("asked");
                if method == "PUT" || (is_there && matches!(act, Act::Exchange(_))) {
                    self.store.put_over(&name, Bytes::from(body)).expect("put");
                }
                match (method.as_str(), self.store.get_unverified(&name)) {
                    ("PUT", _) => (200, String::new(), Vec::new()),
                    (_, Ok(bytes)) => (200, String::new(), bytes.to_vec()),
                    (_, Err(_)) => (404, String::new(), b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
                }
            }
        };
        let head = format!("HTTP/1.1 {status} so\r\ncontent-length: {}\r\n{more}\r\n", body.len());
        (&*stream).write_all(&[head.as_bytes(), &body].concat()).ok()
    }
}

fn length(head: &str) -> usize {
    let value =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn as_asked() -> Trick {
    Box::new(|_, _, _, _| Act::Do)
}

fn invite_by(vault: &Vault, server: &Server) -> Invitation {
    let roster = vault.roster();
    let sponsor = vault.sponsor.id;
    let options = InviteOptions {
        roster: &roster,
        sponsor,
        capabilities: READER,
        lifetime: LIFETIME,
        now: crate::now(),
        words: true,
    };
    let presigned = |names: &[ObjectName]| Places { presigned: server.urls(names), ..Places::default() };
    Invitation::new(provider(), &options, presigned).expect("an invitation")
}

fn pair(vault: &Vault, invitation: Invitation, invite: &Invite, server: &Server) -> Outcome {
    let (mut host, mut side) = (SponsorSide::new(vault), JoinerSide::default());
    let stop = Watch::new();
    let (sponsor, joiner) = std::thread::scope(|scope| {
        let (host, stop) = (&mut host, &stop);
        let sponsor = scope.spawn(move || {
            let options = ListenOptions { store: Some(server.store.clone()), ..ListenOptions::default() };
            let mut listen = Listen::start(&invitation, options).expect("it looks");
            super::sponsor(invitation, &mut listen, host, stop)
        });
        let joiner = join_by(invite, &mut side);
        if joiner.is_err() {
            stop.stop();
        }
        (sponsor.join().expect("the sponsor does not panic"), joiner)
    });
    Outcome { sponsor, joiner, requests: host.requests, side }
}

/// With what is in the ticket, and nothing else.
fn join_by(invite: &Invite, side: &mut JoinerSide) -> Result<Joined, PairError> {
    let signed = signed_urls(invite, &plain_http())?;
    assert!(!format!("{signed:?} {:?}", invite.extras()).contains("c4n4ry"), "a signature is shown");
    let mut reach = Reach::new(invite.session()?, ReachOptions { signed, ..ReachOptions::default() });
    let options = JoinOptions { name: NAME, now: crate::now(), deadline: Instant::now() + Duration::from_secs(60) };
    join(invite, &options, &mut reach, side, &Watch::new())
}

/// Whose user lets plain HTTP be, which is what the server here speaks.
fn plain_http() -> StoreOptions {
    let mut options = StoreOptions::default();
    options.settings.insert("allow-http".into(), "true".into());
    options
}

fn said(error: &PairError) -> String {
    format!("{} {error:?} {:?}", crate::chain(error), error.hints())
}

#[test]
fn presigned_mailbox_without_credentials() {
    let vault = Vault::new();
    let server = Server::start("plain", as_asked());
    let invitation = invite_by(&vault, &server);
    let invite = by_ticket(&invitation);
    pair(&vault, invitation, &invite, &server).assert_member(&vault);
    let asked = server.asked.lock().expect("no panics");
    assert!(asked.iter().all(|(.., head)| !head.contains("authorization") && !head.contains("x-amz")), "{asked:?}");
    let puts: Vec<u8> = asked.iter().filter(|(method, ..)| method == "PUT").map(|(_, step, _)| *step).collect();
    assert_eq!(puts, [0, 2, 4]);
    assert_eq!(server.store.list(&vault_format::name::prefix()).expect("a listing").objects, []);
}

/// Who has a credential for the bucket fills the mailbox before such a joiner comes.
#[test]
fn presigned_mailbox_beside_junk() {
    let vault = Vault::new();
    let server = Server::start("junk", as_asked());
    let invitation = invite_by(&vault, &server);
    let invite = by_ticket(&invitation);
    let session = invite.session().expect("a session");
    for number in 0..vault_format::limits::PAIR_CANDIDATES as u8 + 6 {
        let junk = mail_object(provider().suite, &[number; 100]).expect("it fits");
        server.store.put(&session.mail_name(Step::Hello, &junk), Bytes::from(junk)).expect("put");
    }
    pair(&vault, invitation, &invite, &server).assert_member(&vault);
}

/// Exchanges what is put, or is read for the first time, of every step but the last.
fn once(
    other: impl Fn(&Server, u8) -> Vec<u8> + Send + Sync,
) -> impl Fn(&Server, &str, u8, usize) -> Act + Send + Sync {
    let done = Mutex::new(std::collections::BTreeSet::new());
    move |server, method, step, _| {
        let is_first = step < 5
            && (method == "PUT" || server.there(step).is_some())
            && done.lock().expect("no panics").insert(step);
        if is_first { Act::Exchange(other(server, step)) } else { Act::Do }
    }
}

/// Every object is written over before whoever it is for has read it, with nonsense or with what was there before.
#[test]
fn presigned_objects_overwritten_between_polls() {
    let junk: Trick = Box::new(once(|_, step| match step {
        3 => vec![7; 200 << 10],
        _ => mail_object(provider().suite, &[step; 99]).expect("it fits"),
    }));
    let replay: Trick = Box::new(once(|server, step| match server.there(step.wrapping_sub(2)) {
        Some(earlier) => server.store.get_unverified(&earlier).expect("read").to_vec(),
        None => b"nothing earlier".to_vec(),
    }));
    std::thread::scope(|scope| {
        for (name, trick) in [("junk", junk), ("replay", replay)] {
            scope.spawn(move || {
                let vault = Vault::new();
                let server = Server::start(name, trick);
                let invitation = invite_by(&vault, &server);
                let invite = by_ticket(&invitation);
                pair(&vault, invitation, &invite, &server).assert_member(&vault);
            });
        }
    });
}

/// There is one place for an answer, and it is that of who came first.
#[test]
fn second_joiner_with_the_same_presigned_ticket() {
    let vault = Vault::new();
    let other: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let late = Arc::clone(&other);
    let server = Server::start(
        "second",
        Box::new(move |server, method, step, before| {
            if (method, step) != ("GET", 1) || before > 12 {
                return Act::Do;
            }
            // The offer is there, and before it is read somebody else says hello.
            if let (Some(_), Some(hello)) = (server.there(1), server.there(0))
                && let Some(flight) = late.lock().expect("no panics").take()
            {
                let mail = mail_object(provider().suite, &flight).expect("it fits");
                server.store.put_over(&hello, Bytes::from(mail)).expect("put");
            }
            Act::Say(404, String::new(), Vec::new())
        }),
    );
    let invitation = invite_by(&vault, &server);
    let invite = by_ticket(&invitation);
    let mut second = Handshake::joiner(provider(), &invite.session().expect("a session")).expect("one");
    *other.lock().expect("no panics") = Some(second.write(&[]).expect("a flight"));
    pair(&vault, invitation, &invite, &server).assert_member(&vault);
    assert!(other.lock().expect("no panics").is_none(), "nobody came late");
}

/// What a ticket says is part of the handshake: who exchanges the URLs and has the secret all the same gets nobody in between.
#[test]
fn presigned_urls_exchanged_in_a_ticket() {
    let vault = Vault::new();
    let server = Server::start("exchanged", as_asked());
    let invitation = invite_by(&vault, &server);
    let text = invitation.ticket().to_text();
    let ticket = Ticket::parse(&text).expect("a ticket");
    let mut extras = ticket.extras.clone();
    // The same objects, by URLs that another has signed.
    extras.presigned.iter_mut().for_each(|url| *url = url.replace("127.0.0.1", "localhost"));
    let invite = Invite::Ticket(Box::new(ticket.exchanged(extras)));
    let mut side = JoinerSide::default();
    let (store, host, stop) = (server.store.clone(), SponsorSide::new(&vault), Watch::new());
    let result = std::thread::scope(|scope| {
        let (mut host, stop) = (host, &stop);
        let sponsor = scope.spawn(move || {
            let options = ListenOptions { store: Some(store), ..ListenOptions::default() };
            let mut listen = Listen::start(&invitation, options).expect("it looks");
            super::sponsor(invitation, &mut listen, &mut host, stop)
        });
        let signed = signed_urls(&invite, &plain_http()).expect("URLs");
        let mut reach = Reach::new(invite.session().expect("one"), ReachOptions { signed, ..ReachOptions::default() });
        let options = JoinOptions { name: NAME, now: crate::now(), deadline: Instant::now() + Duration::from_secs(4) };
        let joiner = join(&invite, &options, &mut reach, &mut side, &Watch::new());
        assert!(matches!(joiner, Err(PairError::NoAnswer)), "{:?}", joiner.err());
        stop.stop();
        sponsor.join().expect("the sponsor does not panic")
    });
    assert!(result.is_err() && side.kept.is_none());
    assert_eq!(vault.records(), 1);
}

/// Nothing is asked of a URL that no store has signed for this mailbox.
#[test]
fn presigned_urls_that_lead_elsewhere() {
    let vault = Vault::new();
    let server = Server::start("elsewhere", as_asked());
    let invitation = invite_by(&vault, &server);
    let ticket = invitation.ticket();
    type Change = fn(usize, &str) -> String;
    let changes: [(&str, Change); 8] = [
        ("another host", |n, url| if n == 3 { url.replace("127.0.0.1", "127.0.0.2") } else { url.to_owned() }),
        ("metadata", |_, url| url.replace("127.0.0.1", "169.254.169.254").replace("http:", "https:")),
        ("another object", |n, url| if n == 0 { url.replace("/00-", "/02-") } else { url.to_owned() }),
        ("another path", |n, url| if n == 5 { url.replace("?", "/admin?") } else { url.to_owned() }),
        ("the path in the query", |_, url| url.replace("/b/p/", "/?/b/p/")),
        ("a user", |_, url| url.replace("127.0.0.1", "me:c4n4ry@127.0.0.1")),
        ("a file", |_, url| url.replace("http:", "ftp:")),
        ("none", |_, _| "c4n4ry".into()),
    ];
    for (what, change) in changes {
        let mut extras = ticket.extras.clone();
        extras.presigned = extras.presigned.iter().enumerate().map(|(n, url)| change(n, url)).collect();
        let invite = Invite::Ticket(Box::new(ticket.exchanged(extras)));
        let error = signed_urls(&invite, &plain_http()).expect_err(what);
        assert!(matches!(error, PairError::Signed(SignedUrlError::Invalid { .. })), "{what}: {error:?}");
        assert!(!said(&error).contains("c4n4ry"), "{}", said(&error));
        assert_eq!(error.trouble(), crate::Trouble::Usage);
    }
    assert_eq!(server.asked.lock().expect("no panics").len(), 0);
}

/// Whoever makes a ticket could have a new device ask whatever listens on it, without TLS: its user decides.
#[test]
fn presigned_urls_without_tls() {
    let vault = Vault::new();
    let server = Server::start("plain", as_asked());
    let invitation = invite_by(&vault, &server);
    let ticket = invitation.ticket();
    for host in ["127.0.0.1", "localhost", "storage.localhost", "[::1]", "storage.example"] {
        let mut extras = ticket.extras.clone();
        extras.presigned.iter_mut().for_each(|url| *url = url.replace("127.0.0.1", host));
        let invite = Invite::Ticket(Box::new(ticket.exchanged(extras)));
        let error = signed_urls(&invite, &StoreOptions::default()).expect_err(host);
        assert!(said(&error).contains("is not encrypted") && said(&error).contains("-o allow-http=true"), "{error:?}");
        assert_eq!(error.trouble(), crate::Trouble::Usage);
        assert!(signed_urls(&invite, &plain_http()).is_ok(), "{host}: whoever says so may");
    }
    assert_eq!(server.asked.lock().expect("no panics").len(), 0);
}

/// Each refusal is an end that says what happened, and not by which URL.
#[test]
fn presigned_urls_that_are_over() {
    let elsewhere = Server::start("redirected", as_asked());
    let led = format!("location: http://{}/b/p/?{SIGNATURE}\r\n", elsewhere.address);
    let s3 = "<Error><Code>AccessDenied</Code><Message>Request has expired c4n4ry</Message></Error>";
    let azure = "<Error><Code>AuthenticationFailed</Code><Message>No.</Message><AuthenticationErrorDetail>Signature not valid in the specified time frame</AuthenticationErrorDetail></Error>";
    let google = "<Error><Code>ExpiredToken</Code><Message>Invalid argument.</Message></Error>";
    let no = "<Error><Code>SignatureDoesNotMatch</Code><Message>c4n4ry</Message></Error>";
    for (name, status, more, body, text) in [
        ("s3", 403, "", s3, "their time is over"),
        ("azure", 403, "", azure, "their time is over"),
        ("google", 400, "", google, "their time is over"),
        ("refused", 403, "", no, "403 SignatureDoesNotMatch"),
        ("redirect", 307, led.as_str(), "", "refuses a signed URL of the ticket: 307"),
        ("page", 401, "", "<html>c4n4ry log in", "refuses a signed URL of the ticket: 401"),
    ] {
        let vault = Vault::new();
        let (more, body) = (more.to_owned(), body.to_owned());
        let server =
            Server::start(name, Box::new(move |_, _, _, _| Act::Say(status, more.clone(), body.clone().into_bytes())));
        let invite = by_ticket(&invite_by(&vault, &server));
        let mut side = JoinerSide::default();
        let error = join_by(&invite, &mut side).err().expect(name);
        assert!(said(&error).contains(text), "{name}: {}", said(&error));
        assert!(!said(&error).contains("c4n4ry") && !error.hints().is_empty(), "{name}: {}", said(&error));
        assert_eq!(error.trouble(), crate::Trouble::Storage);
    }
    assert_eq!(elsewhere.asked.lock().expect("no panics").len(), 0, "a redirect was followed");
}
