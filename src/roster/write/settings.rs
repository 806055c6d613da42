//! Values of the whole vault.

use super::{Author, NewRecord, WriteError};
use vault_format::roster::Op;

impl Author<'_> {
    /// Sets a value: of several at once the greatest (n, identity) counts, and the others are shown as lost.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<NewRecord, WriteError> {
        self.admin_rank()?;
        let mut record = self.draft()?;
        record.ops.push(Op::Setting { key: key.to_owned(), value: value.to_vec() });
        let (record, merged) = self.finish(&record)?;
        let is_set = merged.settings.get(key).is_some_and(|setting| setting.value == value);
        if is_set { Ok(record) } else { Err(WriteError::NoEffect) }
    }
}
