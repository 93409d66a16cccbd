//! What the next slice of the store brings.

use crate::{Error, Store};

impl Store {
    /// Keeps a fold.
    ///
    /// # Errors
    /// None yet.
    pub async fn keep_fold(&self, _session: &str, _seq: u64, _bytes: Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    /// The nearest fold that is kept.
    ///
    /// # Errors
    /// None yet.
    pub async fn nearest_fold(
        &self,
        _session: &str,
        _at_most: u64,
    ) -> Result<Option<(u64, Vec<u8>)>, Error> {
        Ok(None)
    }
}
