//! The labels of key derivation (SPEC section 3.1): one purpose, one label, one use.

use crate::suite::Suite;

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        /// What a derived key is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Purpose {
            $($(#[$doc])* $name,)*
        }

        impl Purpose {
            /// Every purpose.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// `zvault v1 <suite as 2 hex digits> <purpose>`
            pub const fn label(self, suite: Suite) -> &'static str {
                match (suite, self) {
                    $((Suite::Default, Self::$name) => concat!("zvault v1 01 ", $text),
                    (Suite::Fips, Self::$name) => concat!("zvault v1 02 ", $text),)*
                }
            }
        }
    };
}

purposes! {
    /// E -> K_data: packs of readers.
    Data "data";
    /// E -> K_log: log entries of readers.
    Log "log";
    /// E -> K_idx: deltas and shards of readers.
    Index "index";
    /// E -> K_priv: private parts of roster records.
    Private "private";
    /// E -> K_hist: the secrets of earlier epochs.
    History "history";
    /// E -> K_sk: the epoch's KEM secret.
    EpochSecretKey "epoch secret key";
    /// E, device -> P: the secret of a push-only device.
    Pusher "pusher";
    /// P -> P_kem: mixed into what is sealed to the epoch.
    PusherKemPsk "pusher kem psk";
    /// P -> P_log: log entries of a push-only device.
    PusherLog "pusher log";
    /// P -> P_idx: deltas of a push-only device.
    PusherIndex "pusher index";
    /// P -> P_hist: earlier pusher secrets.
    PusherHistory "pusher history";
    /// V, domain -> D.
    Domain "domain";
    /// D, scope, chunk type -> the key of chunk ids.
    Id "id";
    /// D, scope -> the Gear table.
    Chunker "chunker";
    /// D, scope, tree, level -> the key that cuts nodes.
    Cut "cut";
    /// One of the K or P above, salt, header -> DEK.
    Dek "dek";
    /// The secrets of both halves, ciphertext, public key -> KEM shared secret; suite 0x02 only, X-Wing has a combiner of its own.
    Kem "kem";
    /// KEM shared secret, P_kem, header -> DEK.
    SealedDek "sealed dek";
    /// DEK -> the commitment.
    Commit "commit";
    /// DEK -> the key of `syn`.
    Syn "syn";
    /// DEK, place, `syn` -> the key of a frame.
    Frame "frame";
    /// KEM shared secret, W, context -> DEK of a box.
    Box "box";
    /// Password key or words, slot salt, context -> DEK of a slot.
    Slot "slot";
    /// Secret of a pairing -> what the handshake begins with.
    PairPsk "pair psk";
    /// Secret of a pairing -> the name of its mailbox.
    PairSession "pair session";
    /// Secret of a pairing -> what is announced on the local network.
    PairMdns "pair mdns";
    /// Secret of a pairing, step -> the name of a presigned mailbox object.
    PairPlace "pair place";
    /// W, handshake -> what shows that the sealed part of a welcome was opened.
    PairProof "pair proof";
    /// KEM shared secret, handshake, context -> DEK of the sealed part of a welcome.
    Welcome "welcome";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_those_of_spec_and_all_differ() {
        let spec = include_str!("../SPEC.md");
        let table = &spec[spec.find("### 3.1").expect("section")..spec.find("## 4.").expect("section")];
        let mut seen = HashSet::new();
        for suite in [Suite::Default, Suite::Fips] {
            for purpose in Purpose::ALL {
                let label = purpose.label(suite);
                assert!(seen.insert(label), "{label}");
                let text = label.strip_prefix(&format!("zvault v1 {:02x} ", suite.byte())).expect("prefix");
                assert!(table.contains(&format!("`{text}`")), "{text}");
            }
        }
        assert_eq!(seen.len(), 58);
    }
}
