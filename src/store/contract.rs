//! What every store must do. Run over each kind of store by its tests; panics where a store does not keep it.

use super::{FullPack, HashFn, Store, StoreError, WINDOW};
use bytes::Bytes;
use vault_format::ids::{DeviceId, ObjectHash};
use vault_format::name::{self, ObjectName, PackName};

/// Runs the whole contract on an empty store, and leaves it empty.
pub fn run(store: &Store, hash: HashFn<'_>) {
    let kit = Kit { store, hash };
    kit.empty_is_not_an_error();
    kit.what_was_stored_is_read_and_listed();
    kit.ranges_and_windows();
    kit.writing_twice_is_writing_once();
    kit.other_bytes_under_a_name_are_damage();
    kit.logs_list_siblings();
    kit.packs_in_order_and_in_background();
    assert!(kit.objects().is_empty(), "the contract cleans up");
}

struct Kit<'a> {
    store: &'a Store,
    hash: HashFn<'a>,
}

impl Kit<'_> {
    fn empty_is_not_an_error(&self) {
        assert!(self.objects().is_empty(), "the contract needs an empty store");
        assert_eq!(self.store.list_devices_with_logs().expect("list"), []);
        let name = ObjectName::Roster { n: 0, hash: ObjectHash([9; 32]) };
        assert!(matches!(self.store.get(&name, self.hash), Err(StoreError::NotFound { .. })));
        assert!(matches!(self.store.get_range(&name, 0..1), Err(StoreError::NotFound { .. })));
        assert_eq!(self.store.head(&name).expect("head"), None);
        self.store.delete(&name).expect("what is not there is deleted");
    }

    fn what_was_stored_is_read_and_listed(&self) {
        let mut names = Vec::new();
        for (n, len) in [(0, 4096), (1, 1), (255, 1 << 20)] {
            let bytes = bytes(n, len);
            let name = ObjectName::Roster { n, hash: self.hash(&bytes) };
            let stored = self.store.put(&name, bytes.clone()).expect("put");
            assert_eq!((stored.name(), stored.size()), (name, len as u64));
            assert_eq!(self.store.get(&name, self.hash).expect("get"), bytes);
            assert_eq!(self.store.head(&name).expect("head"), Some(len as u64));
            assert!(self.store.exists(&name).expect("exists"));
            names.push(name);
        }
        let listing = self.store.list(&name::roster_prefix()).expect("list");
        assert_eq!(listing.objects.iter().map(|o| o.name).collect::<Vec<_>>(), names, "ascending");
        assert_eq!(listing.objects.iter().map(|o| o.size).collect::<Vec<_>>(), [4096, 1, 1 << 20]);
        assert!(listing.strange.is_empty() && listing.leftovers.is_empty());
        assert!(self.store.list(&name::logs_prefix()).expect("list").objects.is_empty());
        self.delete(&names);
    }

    fn ranges_and_windows(&self) {
        let bytes = bytes(7, 5 * (WINDOW as usize) / 2);
        let (name, size) = (self.pack(&bytes, DeviceId([1; 16])).name.into(), bytes.len() as u64);
        self.store.put(&name, bytes.clone()).expect("put");
        for (start, end) in [(0, 1), (0, size), (5, 5), (WINDOW - 1, WINDOW + 1), (size - 1, size)] {
            let part = bytes.slice(start as usize..end as usize);
            assert_eq!(self.store.get_range(&name, start..end).expect("range"), part);
            assert_eq!(self.store.get_windows(&name, start, end - start, size).expect("windows"), part);
        }
        for (start, end) in [(size - 1, size + 1), (size, size + 1), (size + 9, size + 10)] {
            assert!(matches!(self.store.get_range(&name, start..end), Err(StoreError::Damaged { .. })));
            // Whether an index or a trailer promises more than there is.
            for said in [size, size + 16] {
                let result = self.store.get_windows(&name, start, end - start, said);
                assert!(matches!(result, Err(StoreError::Damaged { .. })), "{start}..{end} of {said}");
            }
        }
        assert!(matches!(self.store.get_windows(&name, u64::MAX, 2, size), Err(StoreError::Damaged { .. })));
        self.delete(&[name]);
    }

    fn writing_twice_is_writing_once(&self) {
        let bytes = bytes(3, 70_000);
        let name = ObjectName::Roster { n: 3, hash: self.hash(&bytes) };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| self.store.put(&name, bytes.clone()).expect("put"));
            }
        });
        assert_eq!(self.objects(), [name]);
        assert_eq!(self.store.get(&name, self.hash).expect("get"), bytes);
        self.delete(&[name]);
    }

    fn other_bytes_under_a_name_are_damage(&self) {
        let (right, wrong) = (bytes(4, 5000), bytes(5, 5000));
        let name = ObjectName::Roster { n: 4, hash: self.hash(&right) };
        self.store.put(&name, wrong.clone()).expect("the store does not hash");
        assert!(matches!(self.store.get(&name, self.hash), Err(StoreError::Damaged { name: n, .. }) if n == name));
        assert_eq!(self.store.get_unverified(&name).expect("get"), wrong);
        assert!(matches!(self.store.heal(&name, wrong, self.hash), Err(StoreError::Damaged { .. })));
        self.store.heal(&name, right.clone(), self.hash).expect("heal");
        assert_eq!(self.store.get(&name, self.hash).expect("get"), right);
        let large = Bytes::from(vec![0; (1 << 20) + 1]);
        assert!(matches!(self.store.put(&name, large), Err(StoreError::TooLarge { .. })));
        self.delete(&[name]);
    }

    fn logs_list_siblings(&self) {
        let (one, two) = (DeviceId([1; 16]), DeviceId([0xee; 16]));
        let mut names = Vec::new();
        for (device, seq, content) in [(one, 1, 1), (one, 2, 2), (one, 2, 3), (one, 3, 4), (two, 2, 5)] {
            let bytes = bytes(content, 4096);
            let name = ObjectName::Log { device, seq, hash: self.hash(&bytes) };
            self.store.put(&name, bytes).expect("put");
            names.push(name);
        }
        assert_eq!(self.store.list_devices_with_logs().expect("list"), [one, two]);
        for (from, count) in [(0, 4), (1, 4), (2, 3), (3, 1), (4, 0)] {
            let listing = self.store.list_log(one, from).expect("list");
            assert_eq!(listing.objects.len(), count, "from {from}");
            for object in listing.objects {
                assert!(matches!(object.name, ObjectName::Log { device, seq, .. } if device == one && seq >= from));
            }
        }
        self.delete(&names);
    }

    fn packs_in_order_and_in_background(&self) {
        let device = DeviceId([2; 16]);
        let uploads: Vec<_> =
            (0..5).map(|n| self.store.put_in_background(self.pack(&bytes(n, 1 << 16), device))).collect();
        let packs: Vec<_> = uploads.into_iter().map(|upload| upload.wait().expect("upload")).collect();
        let mut names: Vec<ObjectName> = packs.iter().map(|pack| pack.name().into()).collect();
        for name in &names {
            assert_eq!(self.store.get(name, self.hash).expect("get").len(), 1 << 16);
        }
        let bytes = bytes(8, 4096);
        let hash = self.hash(&bytes);
        let receipts: Vec<_> = packs.iter().map(|pack| pack.receipt()).collect();
        let put = |device, receipts: &[_]| self.store.put_delta(device, hash, bytes.clone(), receipts);
        assert!(matches!(put(device, &[]), Err(StoreError::OutOfOrder { .. })));
        assert!(matches!(put(DeviceId([3; 16]), &receipts), Err(StoreError::OutOfOrder { .. })));
        let delta = put(device, &receipts).expect("delta");
        assert_eq!((delta.hash(), delta.kib(), delta.device()), (hash, 4, device));
        names.push(ObjectName::Delta { device, hash });
        self.delete(&names);
    }

    fn pack(&self, bytes: &Bytes, device: DeviceId) -> FullPack {
        let name = PackName { tree: false, device, hash: self.hash(bytes) };
        FullPack { name, bytes: bytes.clone(), segments: Vec::new() }
    }

    fn hash(&self, bytes: &[u8]) -> ObjectHash {
        ObjectHash((self.hash)(bytes))
    }

    fn objects(&self) -> Vec<ObjectName> {
        let listing = self.store.list(&name::prefix()).expect("list");
        listing.objects.into_iter().map(|object| object.name).collect()
    }

    fn delete(&self, names: &[ObjectName]) {
        for name in names {
            self.store.delete(name).expect("delete");
            assert!(!self.store.exists(name).expect("exists"));
        }
    }
}

/// Bytes that differ everywhere, so that a shifted range shows.
fn bytes(seed: u32, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect::<Vec<_>>().into()
}
