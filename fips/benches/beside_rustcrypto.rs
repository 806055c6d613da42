//! What the two backends of suite `0x02` take on one core, in one run: `cargo bench` in this folder.
#![allow(clippy::print_stdout, reason = "a benchmark")]
use std::hint::black_box;
use std::time::{Duration, Instant};

use crypto_backends::{Key, PasswordParams, Provider, Suite, rustcrypto};

fn main() {
    let began = Instant::now();
    let module = zvault_fips::provider().expect("the module passes its self-tests");
    println!("self-tests, once in a process: {:.1?}", began.elapsed());
    let other = rustcrypto::provider_of(Suite::Fips);
    println!("{:34}{:>12}{:>12}", "", "module", "RustCrypto");

    let key = Key::new([1; 32]);
    let (mut text, small) = (vec![7; 1 << 20], vec![7; 64 << 10]);
    row("seal, GCM, 1 MiB, MB/s", [module, other], throughput(1 << 20), |it| {
        black_box(it.aead.seal(&key, b"aad", &mut text).expect("seals"));
    });
    let mut sealed_text = vec![7; 1 << 20];
    let sealed = module.aead.seal(&key, b"aad", &mut sealed_text).expect("seals");
    row("open, GCM, 1 MiB, MB/s", [module, other], throughput(1 << 20), |it| {
        text.copy_from_slice(&sealed_text);
        it.aead.open(&key, sealed.nonce.as_slice(), b"aad", &mut text, &sealed.tag).expect("opens");
    });
    row("seal, GCM, 64 bytes, us", [module, other], micros, |it| {
        black_box(it.aead.seal(&key, b"aad", &mut [7; 64]).expect("seals"));
    });
    row("id, HMAC, 64 KiB, MB/s", [module, other], throughput(64 << 10), |it| {
        black_box(it.keyed_hash.keyed_hash(&key, &[&small]));
    });
    row("name, SHA-256, 1 MiB, MB/s", [module, other], throughput(1 << 20), |it| {
        black_box(it.hash.hash(&[&sealed_text]));
    });
    row("key, HKDF, us", [module, other], micros, |it| {
        black_box(it.kdf.derive("zvault v1 02 bench", key.expose(), &[], &[b"context"]));
    });
    row("KEM, generate, us", [module, other], micros, |it| {
        black_box(it.kem.generate().expect("a pair"));
    });
    let (secret, public) = module.kem.generate().expect("a pair");
    row("KEM, encapsulate, us", [module, other], micros, |it| {
        black_box(it.kem.encapsulate(&public).expect("a secret"));
    });
    let (ct, _) = module.kem.encapsulate(&public).expect("a secret");
    row("KEM, decapsulate, us", [module, other], micros, |it| {
        black_box(it.kem.decapsulate(secret.expose(), &ct).expect("a secret"));
    });
    let (secret, public) = module.sign.generate().expect("a pair");
    row("sign, both, us", [module, other], micros, |it| {
        black_box(it.sign.sign(secret.expose(), b"message").expect("signs"));
    });
    let signature = module.sign.sign(secret.expose(), b"message").expect("signs");
    row("verify, both, us", [module, other], micros, |it| {
        it.sign.verify(&public, b"message", &signature).expect("verifies");
    });
    row(
        "passphrase, 1,000,000 rounds, ms",
        [module, other],
        |took| micros(took) / 1000.0,
        |it| {
            let params = PasswordParams::Pbkdf2 { rounds: 1_000_000 };
            black_box(it.password.derive(&params, &[1; 16], b"fourteen bytes").expect("a key"));
        },
    );
}

/// The median of as many runs as fit into two seconds, the two backends in turn.
fn row(
    name: &str,
    providers: [&'static Provider; 2],
    figure: impl Fn(Duration) -> f64,
    mut run: impl FnMut(&'static Provider),
) {
    let mut took = [vec![], vec![]];
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) || took[1].len() < 5 {
        for (provider, took) in providers.into_iter().zip(&mut took) {
            let began = Instant::now();
            run(provider);
            took.push(began.elapsed());
        }
    }
    let [module, other] = took.map(|mut took| {
        took.sort();
        figure(took[took.len() / 2])
    });
    println!("{name:34}{module:>12.1}{other:>12.1}");
}

fn throughput(bytes: usize) -> impl Fn(Duration) -> f64 {
    move |took| bytes as f64 / took.as_secs_f64() / 1e6
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}
