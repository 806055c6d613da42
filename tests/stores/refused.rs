//! What cannot work is told at once, each in its own words: nobody waits for a wrong password to become right.

use crate::machine::noise;
use crate::place::{Kind, Place};
use crate::runner::{Ran, World, other_program};
use crate::servers::azurite;
use crate::servers::gcs;
use crate::servers::ministack::{Key, ministack};
use crate::servers::process::free;
use crate::servers::proxy::{Fault, Proxy, Reply, Rule, When};
use crate::servers::tls::Authority;
use crate::servers::tunnel::Tunnel;
use jiff::{Timestamp, ToSpan};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[test]
fn s3_with_wrong_credentials() {
    let place = Place::new(Kind::S3);
    let key = &ministack().key;
    let wrong = Key { secret: "wrong".into(), ..key.clone() };
    let unknown = Key { id: "AKIAUNKNOWNUNKNOWN00".into(), ..key.clone() };
    for place in [place.with_key(&wrong), place.with_key(&unknown)] {
        refuses(&place, 15, &["does not accept the credentials", "access key"]);
    }
    let token = place.with_secret("AWS_SESSION_TOKEN", "of somebody else");
    refuses(&token, 15, &["credentials"]);
    let mut nobody = place;
    nobody.secrets = vec![("AWS_EC2_METADATA_DISABLED", "true".into())];
    refuses(&nobody, 15, &["AWS_ACCESS_KEY_ID"]);
}

#[test]
fn s3_with_too_few_rights() {
    let place = Place::new(Kind::S3);
    let may = |actions: &str| {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}]}}"#
        );
        place.with_key(&ministack().user(&policy))
    };
    let world = World::new();
    place.run(&world, ["init"]).expect_code(0);
    world.write("data/a", "a");
    place.run(&world, ["push", "data"]).expect_code(0);
    let no_list = may(r#""s3:GetObject","s3:PutObject""#);
    said(&quickly(&no_list, &world, &["snapshots"]), 13, &["permission denied"]);
    let no_put = may(r#""s3:GetObject","s3:ListBucket""#);
    world.write("data/b", "b");
    said(&quickly(&no_put, &world, &["push", "data"]), 13, &["permission denied"]);
    quickly(&no_put, &world, &["check"]).expect_code(0);
    let none = may(r#""s3:GetObject","s3:PutObject","s3:ListBucket""#);
    quickly(&none, &world, &["push", "data"]).expect_code(0);
}

#[test]
fn azure_with_wrong_credentials() {
    let place = Place::new(Kind::Azure);
    let wrong = format!("{}{}", "AAAA", &azurite::KEY[4..]);
    refuses(&place.with_secret("AZURE_STORAGE_ACCOUNT_KEY", &wrong), 15, &["does not accept the credentials"]);
    refuses(&place.with_secret("AZURE_STORAGE_ACCOUNT_KEY", "no base 64"), 15, &["AZURE_STORAGE_ACCOUNT_KEY"]);
}

#[test]
fn google_with_wrong_and_expired_tokens() {
    let place = Place::new(Kind::Gcs);
    for token in ["ya29.wrong", gcs::EXPIRED] {
        refuses(&place.with_secret("GOOGLE_ACCESS_TOKEN", token), 15, &["credentials"]);
    }
}

#[test]
fn buckets_that_are_not_there() {
    for kind in [Kind::S3, Kind::Azure, Kind::Gcs] {
        let mut place = Place::new(kind);
        place.url = format!("{}-no-such", place.url);
        refuses(&place, 15, &["there is no such bucket or container", "create the bucket"]);
    }
}

#[test]
fn a_bucket_that_is_not_empty_and_no_vault() {
    for kind in [Kind::S3, Kind::Azure, Kind::Gcs] {
        let place = Place::new(kind);
        place.put("photos/holiday.jpg", b"not a vault");
        let world = World::new();
        let ran = quickly(&place, &world, &["init"]);
        assert!(ran.code != Some(0) && ran.err.contains("photos"), "{kind:?}: {:?} {}", ran.code, ran.err);
        assert_eq!(place.names(), ["photos/holiday.jpg"]);
        // Below a prefix there is room.
        quickly(&place.below("vault"), &world, &["init"]).expect_code(0);
    }
}

#[test]
fn replies_that_waiting_does_not_heal() {
    let direct = Place::new(Kind::S3);
    let proxy = Proxy::to(direct.address());
    let place = direct.through(&proxy);
    let answer = |reply: Reply| {
        proxy.set([Rule::nth(1, Fault::Reply(reply.clone())), Rule::when(When::From(2), Fault::Reply(reply))])
    };
    let hour = (Timestamp::now() - 1.hour()).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let cases = [
        // 60 of them, and what the test takes until then.
        (Reply::s3(403, "RequestTimeTooSkewed").header(format!("Date: {hour}")), 15, &["clock", "minutes ahead"][..]),
        (Reply::s3(403, "ExpiredToken"), 15, &["expired"]),
        (
            Reply::s3(400, "AuthorizationHeaderMalformed").header("x-amz-bucket-region: eu-north-1"),
            15,
            &["region", "eu-north-1"],
        ),
        (Reply::s3(301, "PermanentRedirect").header("x-amz-bucket-region: eu-north-1"), 15, &["region", "eu-north-1"]),
        (Reply::s3(507, "QuotaExceeded"), 15, &["no space left"]),
        (Reply::s3(403, "AccessDenied"), 13, &["permission denied"]),
        (
            Reply::status(200).body("text/html", "<html><body>Welcome to our hotel. Log in.</body></html>"),
            15,
            &["no store answers there"],
        ),
        (
            Reply::status(403).body("text/html", "<html><body>Blocked by your company</body></html>"),
            15,
            &["no store answers there"],
        ),
        (Reply::status(302).header("Location: http://login.example/"), 15, &["no store answers there"]),
    ];
    for (reply, code, words) in cases {
        answer(reply.clone());
        refuses(&place, code, words);
        // Two commands, and the library repeats what it takes for the trouble of a server twice, at once.
        assert!(proxy.count() <= 6, "{reply:?} was asked {} times", proxy.count());
    }
}

#[test]
fn credentials_that_expire_in_the_middle_of_a_push() {
    let s3 = Reply::s3(400, "ExpiredToken");
    let azure = Reply::status(403).header("x-ms-error-code: AuthenticationFailed").body(
        "application/xml",
        "<Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.</Message>\
         <AuthenticationErrorDetail>Signature not valid in the specified time frame</AuthenticationErrorDetail></Error>",
    );
    let google = Reply::s3(401, "AuthenticationRequired");
    let cases = [
        (Kind::S3, s3, &["expired", "get new ones"][..]),
        (Kind::Azure, azure, &["expired", "get new ones"]),
        // It has the same word for all that is wrong with a token.
        (Kind::Gcs, google, &["does not accept the credentials"]),
    ];
    for (kind, reply, words) in cases {
        let direct = Place::new(kind);
        let proxy = Proxy::to(direct.address());
        let (place, world) = (direct.through(&proxy), World::new());
        direct.run(&world, ["init"]).expect_code(0);
        let mut hits = 0;
        for from in 1.. {
            world.write("data/a", noise(200_000, from));
            proxy.set([Rule::when(When::From(from), Fault::Reply(reply.clone()))]);
            let ran = quickly(&place, &world, &["push", "data"]);
            let refused = proxy.seen().iter().filter(|seen| seen.fault.is_some()).count();
            proxy.set([]);
            if refused == 0 {
                ran.expect_code(0);
                break;
            }
            said(&ran, 15, words);
            // Those that were on their way at the same time, and what a HEAD does not say.
            assert!(refused <= 4, "{kind:?} from {from} on: asked {refused} times");
            place.run(&world, ["push", "data"]).expect_code(0);
            hits += 1;
        }
        assert!(hits > 5, "{kind:?}: a push is a few requests: {hits}");
        direct.run(&world, ["check", "--read-data"]).expect_code(0);
    }
}

#[test]
fn certificates_that_prove_nothing() {
    let (direct, authority, stranger) = (Place::new(Kind::S3), Authority::new(), Authority::new());
    let to = direct.address();
    let world = World::new();
    let trusted = world.write("ca.pem", &authority.pem).to_str().expect("UTF-8").to_owned();
    let place = |server: SocketAddr| {
        direct.with_options(&["region=us-east-1", &format!("endpoint=https://127.0.0.1:{}", server.port())])
    };
    let cases = [
        (authority.serve(to, "127.0.0.1", 2001..2002), "its certificate has expired"),
        (authority.serve(to, "127.0.0.1", 3001..3002), "its certificate is not valid yet"),
        (authority.serve(to, "other.example", 2001..3001), "its certificate is for another name"),
        (stranger.serve(to, "127.0.0.1", 2001..3001), "its certificate is of an unknown authority"),
    ];
    for (server, words) in cases {
        for args in [["init"], ["snapshots"]] {
            let ran = quickly(&place(server), &World::new(), &[args[0], "--ca-cert", &trusted]);
            said(&ran, 15, &["no secure connection", words, "--ca-cert"]);
        }
    }
    assert!(direct.names().is_empty(), "nothing was sent to whom nobody trusts");
    // All is well with one that is right.
    let right = place(authority.serve(to, "127.0.0.1", 2001..3001));
    quickly(&right, &world, &["init", "--ca-cert", &trusted]).expect_code(0);
    said(&quickly(&right, &world, &["snapshots"]), 15, &["no secure connection", "unknown authority"]);
}

/// The default program speaks with all of them, the FIPS program with those that have something approved to offer.
#[test]
fn servers_with_one_way_to_exchange_keys_or_to_encrypt() {
    let (direct, authority) = (Place::new(Kind::S3), Authority::new());
    let group = |group| CryptoProvider { kx_groups: vec![group], ..default_provider() };
    let suite = |suite| CryptoProvider { cipher_suites: vec![suite], ..default_provider() };
    let cases = [
        ("secp256r1MLKEM768", group(kx_group::SECP256R1MLKEM768), true),
        ("secp256r1", group(kx_group::SECP256R1), true),
        ("secp384r1", group(kx_group::SECP384R1), true),
        ("X25519MLKEM768", group(kx_group::X25519MLKEM768), false),
        ("X25519", group(kx_group::X25519), false),
        ("AES-128", suite(cipher_suite::TLS13_AES_128_GCM_SHA256), true),
        ("AES-256, TLS 1.2", suite(cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384), true),
        ("ChaCha20", suite(cipher_suite::TLS13_CHACHA20_POLY1305_SHA256), false),
        ("ChaCha20, TLS 1.2", suite(cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256), false),
    ];
    for (name, provider, approved) in cases {
        let world = World::new();
        let trusted = world.write("ca.pem", &authority.pem).to_str().expect("UTF-8").to_owned();
        let server = authority.serve_with(provider, direct.address(), "127.0.0.1", 2001..3001);
        let endpoint = format!("endpoint=https://127.0.0.1:{}", server.port());
        let place = direct.with_options(&["region=us-east-1", &endpoint]);
        let ran = quickly(&place, &world, &["doctor", "--no-write", "--ca-cert", &trusted]);
        // The default program's library does not offer this one group.
        let works = if other_program().is_some() { approved } else { name != "secp256r1MLKEM768" };
        assert_eq!(ran.code == Some(0), works, "{name}: {}{}", ran.out, ran.err);
        if !works {
            assert!(
                format!("{}{}", ran.out, ran.err).contains("no secure connection"),
                "{name}: {}{}",
                ran.out,
                ran.err
            );
        }
    }
}

#[test]
fn a_proxy_that_wants_a_login() {
    let (direct, authority, tunnel) = (Place::new(Kind::S3), Authority::new(), Tunnel::start());
    let world = World::new();
    let trusted = world.write("ca.pem", &authority.pem).to_str().expect("UTF-8").to_owned();
    let server = authority.serve(direct.address(), "127.0.0.1", 2001..3001);
    let https = direct.with_options(&["region=us-east-1", &format!("endpoint=https://{server}")]);
    let args = ["init", "--ca-cert", &trusted];
    let login = |login: &str| format!("http://{login}{}", tunnel.address);
    for (place, variable) in [(&https, "HTTPS_PROXY"), (&direct, "HTTP_PROXY")] {
        for wrong in [login(""), login("user:wrong@")] {
            let before = tunnel.asked();
            let ran = quickly(&place.with_secret(variable, &wrong), &world, &args);
            said(&ran, 15, &["the proxy wants a user name and a password", "HTTPS_PROXY"]);
            assert!(!ran.err.contains("wrong"), "a password is shown: {}", ran.err);
            assert!((1..=2).contains(&(tunnel.asked() - before)), "asked {} times", tunnel.asked() - before);
        }
    }
    assert!(direct.names().is_empty());
    quickly(&https.with_secret("HTTPS_PROXY", &login("user:pass@")), &world, &args).expect_code(0);
    assert!(!direct.names().is_empty());
}

#[test]
fn addresses_where_no_store_is() {
    let place = Place::new(Kind::S3);
    // TLS, where the server speaks none.
    let tls = place.with_options(&["region=us-east-1", &format!("endpoint=https://{}", place.address())]);
    refuses(&tls, 15, &["no secure connection"]);
    // Nobody there is what a server looks like that starts again: that is waited for, and here not long.
    let nobody = place.with_options(&["region=us-east-1", &format!("endpoint=http://{}", free())]);
    let ran = quickly(&nobody, &World::new(), &["init", "--retry-max-time", "1s"]);
    said(&ran, 15, &["cannot be reached"]);
    let unknown = place.with_options(&["region=us-east-1", "endpoint=https://nobody.invalid"]);
    let ran = quickly(&unknown, &World::new(), &["init", "--retry-max-time", "1s"]);
    said(&ran, 15, &["cannot be reached"]);
    // In the open is not where secrets go.
    let open = place.with_options(&["region=us-east-1", "endpoint=http://192.0.2.1"]);
    let ran = quickly(&open, &World::new(), &["init"]);
    assert!(ran.code != Some(0) && ran.err.contains("allow-http"), "{}", ran.err);
}

#[test]
fn options_that_there_are_not() {
    let place = Place::new(Kind::S3);
    let typo = place.with_options(&["regoin=us-east-1"]);
    let ran = quickly(&typo, &World::new(), &["init"]);
    assert!(
        matches!(ran.code, Some(2 | 15)) && ran.err.contains("regoin") && ran.err.contains("region"),
        "{}",
        ran.err
    );
    let secret = place.with_options(&["secret-access-key=s3cr3t"]);
    let ran = quickly(&secret, &World::new(), &["init"]);
    assert!(matches!(ran.code, Some(2 | 15)) && !ran.err.contains("s3cr3t"), "{}", ran.err);
}

/// No command gets anywhere, all say why, and none waits for it to pass.
#[track_caller]
fn refuses(place: &Place, code: i32, words: &[&str]) {
    let world = World::new();
    world.write("data/a", "a");
    for args in [&["init"][..], &["snapshots"]] {
        said(&quickly(place, &world, args), code, words);
    }
}

#[track_caller]
fn said(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    for word in words {
        assert!(ran.err.contains(word), "no {word:?} in\n{}", ran.err);
    }
}

#[track_caller]
fn quickly(place: &Place, world: &World, args: &[&str]) -> Ran {
    let began = Instant::now();
    let ran = place.run(world, args);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}\n{}", began.elapsed(), ran.err);
    ran
}
