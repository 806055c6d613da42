//! What to check.

use crypto_backends::Random;
use vault_format::{DeviceId, PackName};

use super::CheckError;

/// What to check.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckOptions {
    /// Which packs to read whole.
    pub read_data: ReadData,
}

/// Which packs to read whole, besides the parts that hold manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ReadData {
    /// None.
    #[default]
    No,
    /// All.
    All,
    /// Some.
    Subset(Subset),
    /// Those that a device wrote, and those of which its index says something: after it was in somebody else's hands.
    OfDevice(DeviceId),
}

/// A part of the packs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subset {
    /// The n-th of t parts, always the same packs: t runs with n from 1 to t read everything.
    Nth {
        /// From 1 to `t`.
        n: u64,
        /// Number of parts.
        t: u64,
    },
    /// So many of a hundred packs, drawn anew in each run.
    Percent(f64),
    /// Packs of so many bytes together at most, but at least one, drawn anew in each run.
    Bytes(u64),
}

impl ReadData {
    pub(super) fn validate(self) -> Result<(), CheckError> {
        match self {
            Self::Subset(Subset::Nth { n, t }) if n == 0 || n > t => {
                Err(CheckError::Subset("the part of n/t must be from 1 to t"))
            }
            Self::Subset(Subset::Percent(percent)) if !(percent > 0.0 && percent <= 100.0) => {
                Err(CheckError::Subset("the percentage must be above 0 and at most 100"))
            }
            Self::Subset(Subset::Bytes(0)) => Err(CheckError::Subset("the size must not be 0")),
            _ => Ok(()),
        }
    }

    /// The packs to read, with their sizes, out of all.
    pub(super) fn choose(
        self,
        mut packs: Vec<(PackName, u64)>,
        random: &dyn Random,
    ) -> Result<Vec<(PackName, u64)>, CheckError> {
        match self {
            Self::No => packs.clear(),
            // The device's were chosen with the index.
            Self::All | Self::OfDevice(_) => {}
            Self::Subset(Subset::Nth { n, t }) => packs.retain(|(name, _)| part_of(name, t) == n - 1),
            Self::Subset(Subset::Percent(percent)) => {
                shuffle(&mut packs, random)?;
                packs.truncate((packs.len() as f64 * percent / 100.0).ceil() as usize);
            }
            Self::Subset(Subset::Bytes(limit)) => {
                shuffle(&mut packs, random)?;
                let mut sum = 0u64;
                let mut first = true;
                packs.retain(|(_, size)| {
                    let fits = std::mem::take(&mut first) || sum.saturating_add(*size) <= limit;
                    sum = if fits { sum.saturating_add(*size) } else { sum };
                    fits
                });
            }
        }
        Ok(packs)
    }
}

/// Names are hashes, so that parts are of about one size.
fn part_of(name: &PackName, parts: u64) -> u64 {
    let head = name.hash.0.first_chunk().expect("a hash has 32 bytes");
    u64::from_be_bytes(*head) % parts
}

/// A fair draw does not need to be an unbiased one: the bias of `%` is below 2^-30 for any number of packs that there can be.
fn shuffle<T>(items: &mut [T], random: &dyn Random) -> Result<(), CheckError> {
    for last in (1..items.len()).rev() {
        let mut bytes = [0; 8];
        random.fill(&mut bytes)?;
        items.swap(last, (u64::from_le_bytes(bytes) % (last as u64 + 1)) as usize);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_backends::rustcrypto::provider;
    use std::collections::BTreeSet;
    use vault_format::ObjectHash;

    fn packs() -> Vec<(PackName, u64)> {
        let name = |n: u64| PackName {
            tree: false,
            device: DeviceId([0; 16]),
            hash: ObjectHash(provider().hash.hash(&[&n.to_le_bytes()])),
        };
        (0..200).map(|n| (name(n), 100)).collect()
    }

    fn choose(subset: Subset) -> Vec<(PackName, u64)> {
        let read_data = ReadData::Subset(subset);
        read_data.validate().expect("valid");
        read_data.choose(packs(), provider().random).expect("random")
    }

    #[test]
    fn parts_are_disjoint_and_together_everything() {
        let parts: Vec<_> = (1..=7).map(|n| choose(Subset::Nth { n, t: 7 })).collect();
        let all: BTreeSet<_> = parts.iter().flatten().map(|(name, _)| *name).collect();
        assert_eq!(all.len(), 200);
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 200);
        assert!(parts.iter().all(|part| part.len() > 5), "about the same size");
        assert_eq!(parts[2], choose(Subset::Nth { n: 3, t: 7 }), "the same in every run");
    }

    #[test]
    fn samples_have_the_size_asked_for() {
        assert_eq!(choose(Subset::Percent(100.0)).len(), 200);
        assert_eq!(choose(Subset::Percent(10.0)).len(), 20);
        assert_eq!(choose(Subset::Percent(0.001)).len(), 1);
        assert_eq!(choose(Subset::Bytes(950)).len(), 9);
        assert_eq!(choose(Subset::Bytes(1)).len(), 1, "at least one");
        let names: BTreeSet<_> = choose(Subset::Percent(100.0)).into_iter().collect();
        assert_eq!(names.len(), 200);
        assert_ne!(choose(Subset::Bytes(10_000)), choose(Subset::Bytes(10_000)), "drawn anew");
    }

    #[test]
    fn nonsense_is_refused() {
        for subset in [
            Subset::Nth { n: 0, t: 3 },
            Subset::Nth { n: 4, t: 3 },
            Subset::Nth { n: 0, t: 0 },
            Subset::Percent(0.0),
            Subset::Percent(-1.0),
            Subset::Percent(100.5),
            Subset::Percent(f64::NAN),
            Subset::Bytes(0),
        ] {
            assert!(ReadData::Subset(subset).validate().is_err(), "{subset:?}");
        }
    }
}
