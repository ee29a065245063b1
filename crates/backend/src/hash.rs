//! Maintenance.Hash: one number over everything in the file (spec/schema.md 2.7).

use crate::Result;
use crate::committed::Committed;
use crate::schema::{self, Bucket};

/// Rows of `meta` that members of one cluster may have differently.
const IGNORED: [&[u8]; 3] =
    [schema::consistent_index::KEY, schema::term::KEY, schema::storage_version::KEY];

impl Committed {
    /// CRC-32C over all buckets in the order of their names: the name, then key and value of each
    /// row, but for index, term and storage version. Reads the whole file past the page cache; a
    /// job, not for a thread that others wait for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn hash(&self) -> Result<u32> {
        let mut hash = 0;
        for name in self.pages().bucket_names() {
            hash = crc32c::crc32c_append(hash, name);
            let meta = name == Bucket::Meta.as_bytes();
            self.pages().scan(name, |key, value| -> Result<()> {
                if !(meta && IGNORED.contains(&key)) {
                    hash = crc32c::crc32c_append(hash, key);
                    hash = crc32c::crc32c_append(hash, value);
                }
                Ok(())
            })?;
        }
        Ok(hash)
    }
}
