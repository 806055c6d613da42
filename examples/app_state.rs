//! Scratch.
use std::sync::Arc;
use zvault::keys::Passphrase;
use zvault::push::{PushOptions, push};
use zvault::state::Home;
use zvault::vault::{InitOptions, OpenOptions, Unlock, UnlockSecret, Vault};
use zvault::watch::Watch;
struct No;
impl Unlock for No {
    fn unlock(&mut self, _: &str) -> Result<UnlockSecret, String> {
        Err("none".into())
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let home = Arc::new(Home::open(std::path::Path::new(&args[1])).unwrap());
    let cache = std::path::PathBuf::from(&args[1]).join("cache");
    let t = std::time::Instant::now();
    let mut vault = if home.find(&format!("file://{}", args[2])).unwrap().is_none() {
        Vault::init(InitOptions { url: &args[2], home: &home, passphrase: Passphrase::new("benchmark").unwrap(), words: true, device_name: "me".into(), low_memory: false, cache: Some(&cache) }).unwrap().vault
    } else {
        Vault::open(OpenOptions { url: Some(&args[2]), vault: None, home: &home, cache: Some(&cache), device_name: "x".into(), enroll: true, unlock: &mut No }).unwrap()
    };
    eprintln!("open {:?}", t.elapsed());
    let on = |event: zvault::watch::Event<'_>| match event { zvault::watch::Event::Problem { path, message } => eprintln!("{}: {message}", String::from_utf8_lossy(path)), zvault::watch::Event::Note(n) => eprintln!("{n}"), _ => {} };
    let _ = &on;
    let watch = Watch::new();
    let report = push(&mut vault, &PushOptions { paths: vec![args[3].clone().into()], host: "h".into(), ..Default::default() }, &watch);
    match report { Ok(r) => eprintln!("{r:#?}"), Err(e) => eprintln!("{e:?}") }
    eprintln!("all {:?}", t.elapsed());
}
