//! Roster records and what is sealed inside of them (SPEC sections 11.2 and 11.4).
mod capabilities;
mod epoch;
mod op;
mod private;
mod record;
mod slot;
#[cfg(test)]
mod tests;

use crate::error::FormatError;

pub use capabilities::Capabilities;
pub use epoch::{BoxPart, EpochPart};
pub use op::{ASCII_NAME, FEATURES, Op, SETTING_VALUE};
pub use private::{DEVICE_NAME, PrivatePart, STORE_URL};
pub use record::{Record, RecordObject, record_unsigned};
pub use slot::{Slot, SlotKdf, SlotPlain, slot_plain_max};

fn ascending<T: PartialOrd>(items: impl Iterator<Item = T>, what: &'static str) -> Result<(), FormatError> {
    if items.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(FormatError::Order { what }) }
}
