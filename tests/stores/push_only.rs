//! A push-only device with the strictest policy of docs/least-privilege.md, on a server that enforces it.

use crate::place::{Kind, Place, restore_of};
use crate::runner::World;
use crate::servers::client::Plain;
use crate::servers::ministack::{Key, ministack};
use crate::sponsor::{push_only, records_of};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

#[test]
fn overwrites_foreign_pack_refused_by_prefix_policy() {
    let place = Place::new(Kind::S3);
    let (laptop, server) = (World::new(), World::new());
    place.run(&laptop, ["init"]).expect_code(0);
    laptop.write("data/a", "a".repeat(100_000));
    place.run(&laptop, ["push", "data"]).expect_code(0);
    let records = records_of(&place.names(), |name| ministack().get(&place.bucket, name));
    let made = push_only(&laptop, &server, &place.url, &records);
    place.put(&made.record.name.to_path(), &made.record.bytes);
    let key = ministack().user(&policy(&place.bucket, &made.device, &made.collectors));
    let confined = place.with_key(&key);

    // All that it does is allowed, with local copies and without.
    for n in 0..3 {
        server.write(&format!("data/{n}"), format!("server {n} ").repeat(30_000));
        confined.run(&server, ["push", "data"]).expect_code(0);
    }
    std::fs::remove_dir_all(server.path("user/.cache")).expect("removed");
    let again = confined.run(&server, ["push", "data", "--json"]).expect_code(0).last_json();
    assert_eq!(again["data_added"], 0, "{again}");
    confined.run(&server, ["snapshots"]).expect_code(0);
    confined.run(&server, ["status"]).expect_code(0);
    confined.run(&server, ["restore", "latest", "-t", "out"]).expect_code(13);

    // Whoever takes it over overwrites, deletes and reads nothing of others.
    let store = client(&place.bucket, &key);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let theirs: Vec<String> = place.names().into_iter().filter(|name| !name.contains(&made.device)).collect();
    assert!(theirs.iter().any(|name| name.starts_with("zv1/p/")));
    for name in &theirs {
        let before = ministack().get(&place.bucket, name);
        let path = Path::from(name.as_str());
        assert!(runtime.block_on(store.put(&path, "noise".into())).is_err(), "PUT {name}");
        assert!(runtime.block_on(store.delete(&path)).is_err(), "DELETE {name}");
        let read = runtime.block_on(async { store.get(&path).await?.bytes().await });
        let collector = made.collectors.iter().any(|id| name.starts_with(&format!("zv1/l/{id}/")));
        let may_read = name.starts_with("zv1/r/") || name.starts_with("zv1/x/") || collector;
        assert_eq!(read.is_ok(), may_read, "GET {name}");
        assert_eq!(ministack().get(&place.bucket, name), before, "{name}");
    }
    for name in place.names().iter().filter(|name| name.contains(&made.device)) {
        assert!(runtime.block_on(store.delete(&Path::from(name.as_str()))).is_err(), "DELETE {name}");
    }

    place.run(&laptop, ["check", "--read-data"]).expect_code(0);
    let [restore, _, target, out] = restore_of(&laptop, "latest", "out").try_into().expect("four words");
    let part = format!("latest:{}", server.path("data").to_str().expect("UTF-8"));
    let newest = place.run(&laptop, ["snapshots", "--json"]).expect_code(0).json();
    let of_server = newest.iter().rev().find_map(|line| id_of(line, "server")).expect("a snapshot of the server");
    let part = part.replacen("latest", &of_server, 1);
    place.run(&laptop, [restore, part, target, out]).expect_code(0);
    assert_eq!(crate::runner::tree(&server.path("data")), crate::runner::tree(&laptop.path("out")));
}

/// The id of a snapshot, or of one in a list of them, that a device of this name made.
fn id_of(value: &Value, device: &str) -> Option<String> {
    match value {
        Value::Array(all) => all.iter().rev().find_map(|value| id_of(value, device)),
        Value::Object(fields) => {
            let is_its = fields.values().any(|field| field.as_str() == Some(device));
            let id = fields.get("id").and_then(Value::as_str).filter(|_| is_its);
            id.map(str::to_owned).or_else(|| fields.values().rev().find_map(|value| id_of(value, device)))
        }
        _ => None,
    }
}

/// docs/policies/s3-push-only.json with its words replaced; what names a collector is there for each.
fn policy(bucket: &str, device: &str, collectors: &[String]) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies/s3-push-only.json"));
    let mut policy: Value =
        serde_json::from_str(&text.expect("read").replace("BUCKET", bucket).replace("DEVICE", device)).expect("JSON");
    repeat(&mut policy, collectors);
    policy.to_string()
}

fn repeat(value: &mut Value, collectors: &[String]) {
    match value {
        Value::Array(items) => {
            let each = |item: &Value| match item.as_str() {
                Some(text) if text.contains("COLLECTOR") => {
                    collectors.iter().map(|id| text.replace("COLLECTOR", id).into()).collect()
                }
                _ => vec![item.clone()],
            };
            *items = items.iter().flat_map(each).collect();
            items.iter_mut().for_each(|item| repeat(item, collectors));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| repeat(field, collectors)),
        _ => {}
    }
}

fn client(bucket: &str, key: &Key) -> impl ObjectStore {
    AmazonS3Builder::new()
        .with_endpoint(format!("http://{}", ministack().address()))
        .with_allow_http(true)
        .with_http_connector(Plain)
        .with_region("us-east-1")
        .with_bucket_name(bucket)
        .with_access_key_id(&key.id)
        .with_secret_access_key(&key.secret)
        .build()
        .expect("a client")
}
