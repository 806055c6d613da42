//! Who is in a vault: signed records, merged the same way by everyone (SPEC section 11).

mod admit;
mod graph;
mod rank;
mod state;
mod unlock;
mod write;

pub use admit::{Addition, AdmitOptions, admit};
pub use graph::{Ignored, IgnoredWhy};
pub(crate) use graph::{Sieve, Weight, weight};
pub use rank::Standing;
pub(crate) use state::suites_of;
pub use state::{
    Device, Epoch, Features, FoundSlot, OpenError, PusherAccess, Rank, ReaderKeys, Revocation, Roster, RosterError,
    Setting, Store, StoreId, Void,
};
pub(crate) use unlock::{Attempt, attempts, bind};
pub use unlock::{UnlockError, Unlocked, unlock};
#[cfg(test)]
pub(crate) use write::sign;
pub use write::{
    Author, EnrollOptions, Enrolled, Founded, FoundingOptions, Merged, NewRecord, Revoked, SlotOptions, Slotted,
    StoreChange, WriteError, capability_names, change_stores, enroll, found, new_store_id,
};

#[cfg(test)]
mod tests;
