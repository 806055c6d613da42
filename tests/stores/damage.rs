//! Objects of a bucket that are not what they were: seen, named, and read and healed from a second store where there is
//! one.

use crate::look::{look, same};
use crate::machine::noise;
use crate::place::{Kind, restore_of};
use crate::runner::{Ran, World, run, tree};
use crate::several::{CONFIG, Stores};
use std::collections::BTreeMap;
use std::fs;

#[test]
fn of_a_flipped_byte() {
    let vault = Vault::new();
    for (number, (name, bytes)) in vault.whole.iter().enumerate() {
        let last = bytes.len() - 1;
        // Of each kind there are two: one at its header, its middle and its end, the other at its middle.
        for at in if number % 2 == 0 { vec![0, last / 2, last] } else { vec![last / 2] } {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            vault.with(&format!("{name}, byte {at} flipped"), &[(name, Some(wrong))]);
        }
    }
}

#[test]
fn of_an_object_that_is_gone_or_short() {
    let vault = Vault::new();
    for (number, (name, bytes)) in vault.whole.iter().enumerate() {
        vault.with(&format!("{name} is gone"), &[(name, None)]);
        let len = if number % 2 == 0 { bytes.len() / 2 } else { 0 };
        vault.with(&format!("{name} has {len} bytes"), &[(name, Some(bytes[..len].to_vec()))]);
    }
}

#[test]
fn of_two_objects_with_each_others_bytes() {
    let vault = Vault::new();
    let all: Vec<_> = vault.whole.iter().collect();
    for (at, (name, bytes)) in all.iter().enumerate() {
        let (other, others) = all[(at + 1) % all.len()];
        let swapped = [(*name, Some(others.clone())), (other, Some((*bytes).clone()))];
        vault.with(&format!("{name} and {other} are swapped"), &swapped);
    }
}

/// A vault on S3, and the same on Google's.
struct Vault {
    stores: Stores,
    /// Two objects of each kind.
    whole: BTreeMap<String, Vec<u8>>,
}

impl Vault {
    fn new() -> Self {
        let stores = Stores::new(&[Kind::S3, Kind::Gcs]);
        stores.push();
        stores.world.write("data/b", noise(50_000, 2));
        stores.push();
        stores.are_level();
        let whole = stores.at("s3").direct.objects();
        for kind in ["r", "l", "i", "p", "t"] {
            let count = whole.keys().filter(|name| name.starts_with(&format!("zv1/{kind}/"))).count();
            assert_eq!(count, 2, "{kind}: {:?}", whole.keys());
        }
        Self { stores, whole }
    }

    /// What is said and done while these objects of S3 have these bytes, or are gone; and then they are healed.
    fn with(&self, case: &str, wrong: &[(&String, Option<Vec<u8>>)]) {
        let (stores, s3) = (&self.stores, &self.stores.at("s3").direct);
        for (name, bytes) in wrong {
            match bytes {
                Some(bytes) => s3.put(name, bytes),
                None => s3.remove(name),
            }
        }
        let is_gone = wrong.iter().any(|(_, bytes)| bytes.is_none());
        let of = |kind: &str| wrong.iter().any(|(name, _)| name.starts_with(kind));

        // Alone, a check names each of them, and a restore never gives back anything wrong.
        let check =
            run(s3.command(&stores.world, ["check", "--read-data"]).env("ZVAULT_CACHE_DIR", stores.world.path("none")));
        assert_eq!(check.code, Some(14), "{case}: {}", check.err);
        let said = check.out + &check.err;
        for (name, _) in wrong {
            let file = name.rsplit('/').next().unwrap_or_default();
            // A record or an entry that is gone has no name left to be told by: the history says that there was one.
            let is_told = if is_gone && (of("zv1/r/") || of("zv1/l/")) { "no longer shows" } else { file };
            assert!(said.contains(is_told), "{case}: {said}");
        }
        let alone = self.restore_on_a_new_machine(case, false);
        assert!(matches!(alone.code, Some(0 | 14)), "{case}: {:?} {}", alone.code, alone.err);

        // With the second store everything comes back, and who helped is said.
        let both = self.restore_on_a_new_machine(case, true).expect_code(0);
        if alone.code == Some(14) && !of("zv1/r/") && !of("zv1/l/") {
            assert!(both.err.contains("were read from google"), "{case}: {}", both.err);
        }
        for local in ["user/.cache", "out"] {
            let _ = fs::remove_dir_all(stores.world.path(local));
        }
        let known = stores.run(&restore_of(&stores.world, "latest", "out"));
        if is_gone && of("zv1/r/") {
            // Evidence against the store, for a machine that has seen the record.
            known.expect_code(14).expect_err("no longer shows");
        } else {
            known.expect_code(0);
            same(&look(&stores.world.path("data")), &look(&stores.world.path("out")));
        }

        let mirror = stores.run(&["mirror", "--from", "google", "--to", "s3", "--read-data"]).expect_code(0);
        assert!(mirror.out.contains(if is_gone { "copied" } else { "replaced" }), "{case}: {}", mirror.out);
        assert!(s3.objects() == self.whole, "{case}: not healed");
        s3.run(&stores.world, ["check", "--read-data"]).expect_code(0);
    }

    /// A restore on a machine that was never here, from the damaged store or from both. If it says that it has restored
    /// everything, it has; what there is is right.
    fn restore_on_a_new_machine(&self, case: &str, both: bool) -> Ran {
        let (guest, world) = (World::new(), &self.stores.world);
        let mut args = restore_of(world, "latest", guest.path("out").to_str().expect("UTF-8"));
        args.push("--ephemeral".into());
        let mut command = if both {
            args.extend(["--config".into(), world.path(CONFIG).to_str().expect("UTF-8").into()]);
            self.stores.command(&args)
        } else {
            self.stores.at("s3").direct.command(world, &args)
        };
        let ran = run(command.env("HOME", guest.path("user")));
        let expected = tree(&world.path("data"));
        let restored = if guest.path("out").exists() { tree(&guest.path("out")) } else { BTreeMap::new() };
        for (path, content) in &restored {
            assert!(expected.get(path) == Some(content), "{case}: {} is wrong", path.display());
        }
        // Without the newest entry the vault is an older one, and nobody who was never here can know.
        let is_older = !restored.keys().any(|path| path.ends_with("b")) && case.contains("/0000000000000002-");
        assert!(ran.code != Some(0) || is_older || restored.len() == expected.len(), "{case}: {}", ran.err);
        ran
    }
}
