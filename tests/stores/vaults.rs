//! Several vaults in one bucket, each where its name tells nothing.

use serde_json::Value;

use crate::place::{Kind, Place};
use crate::runner::{Ran, World, run};

fn in_a_bucket(kind: Kind) {
    let place = Place::new(kind).below("many");
    let (first, second) = (World::new(), World::new());
    let go = |world: &World, args: &[&str], passphrase: &str| -> Ran {
        run(place.command(world, args).env_remove("ZVAULT_URL").env("ZVAULT_PASSPHRASE", passphrase))
    };
    let init = |world: &World, passphrase: &str| -> Value {
        go(world, &["init", &place.url, "--random-name", "--json"], passphrase).expect_code(0).last_json()
    };
    let own = init(&first, "of the first machine");
    let others = [init(&second, "of the first machine"), init(&second, "of the second machine")];
    let vaults = |world: &World, args: &[&str], passphrase: &str| -> Value {
        let args = [&["vaults", &place.url, "--json"], args].concat();
        go(world, &args, passphrase).expect_code(0).last_json()
    };
    // The device itself finds its one, its passphrase another one, and the third is somebody else's.
    let found = vaults(&first, &[], "of the first machine");
    assert_eq!((found["vaults"].as_array().expect("vaults").len(), &found["others"]), (1, &2.into()), "{found}");
    assert_eq!((&found["vaults"][0]["vault_id"], &found["vaults"][0]["url"]), (&own["id"], &own["repository"]));
    let found = vaults(&first, &["--with-secret"], "of the first machine");
    let by = |id: &Value| found["vaults"].as_array().expect("vaults").iter().find(|vault| vault["vault_id"] == *id);
    assert_eq!(by(&own["id"]).expect("listed")["opened_by"], "device", "{found}");
    assert_eq!(by(&others[0]["id"]).expect("listed")["opened_by"], "passphrase", "{found}");
    assert_eq!((by(&others[1]["id"]), &found["others"]), (None, &1.into()), "{found}");
    // What was found can be opened where it was found.
    let url = others[0]["repository"].as_str().expect("a URL");
    go(&World::new(), &["snapshots", "--url", url], "of the first machine").expect_code(0);

    // Beginnings in other places, ours too, of which no more than the names are whole, and a place that is no vault's.
    for (number, vault) in [&own, &others[1]].into_iter().enumerate() {
        let (_, below) = vault["repository"].as_str().expect("a URL").rsplit_once('/').expect("a name");
        let is_record = |name: &String| name.contains(below) && name.contains("/zv1/r/00000000-");
        let record = place.names().into_iter().find(is_record).expect("a record");
        let (_, name) = record.split_once("/zv1/").expect("in a vault");
        place.put(&format!("many/planted-{number}/zv1/{name}"), &place.get(&record)[..100]);
    }
    place.put("many/photos/cat.jpg", b"a cat");
    let found = vaults(&first, &[], "of the first machine");
    assert_eq!((found["vaults"].as_array().expect("vaults").len(), &found["others"]), (1, &2.into()), "{found}");
    assert_eq!((found["problems"].as_array().expect("problems").len(), &found["places_looked_at"]), (2, &6.into()));
    go(&World::new(), &["vaults", &format!("{}/photos", place.url)], "x").expect_code(10);
    let missing = place.url.replace(&place.bucket, &format!("{}-not-there", place.bucket));
    go(&first, &["vaults", &missing], "x").expect_code(15);
}

#[test]
fn in_a_bucket_of_s3() {
    in_a_bucket(Kind::S3);
}

#[test]
fn in_a_bucket_of_google() {
    in_a_bucket(Kind::Gcs);
}

#[test]
fn in_a_container_of_azure() {
    in_a_bucket(Kind::Azure);
}
