//! Stands where crate `bolt` comes in: every call is an error until then.

use std::path::Path;

use bytes::Bytes;

use crate::{Error, Result};

fn missing<T>() -> Result<T> {
    Err(Error::Defrag("the database file's engine is not built in".to_owned()))
}

/// A stable state of the file.
#[derive(Clone)]
pub(crate) struct View;

impl View {
    pub(crate) fn get(&self, _bucket: &[u8], _key: &[u8]) -> Result<Option<Bytes>> {
        missing()
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        0
    }

    pub(crate) fn size_in_use(&self) -> u64 {
        0
    }

    pub(crate) fn cursor(&self, _bucket: &[u8]) -> Result<Option<Cursor>> {
        missing()
    }

    pub(crate) fn buckets(&self) -> Result<Vec<Bytes>> {
        missing()
    }

    pub(crate) fn scan(
        &self,
        _bucket: &[u8],
        _visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        missing()
    }
}

/// A place in a bucket.
pub(crate) struct Cursor;

impl Cursor {
    pub(crate) fn seek(&mut self, _key: &[u8]) -> Result<Option<(Bytes, Bytes)>> {
        missing()
    }

    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        missing()
    }

    pub(crate) fn last(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        missing()
    }
}

/// The file's writer.
pub(crate) struct Writer;

pub(crate) fn open(_path: &Path) -> Result<(Writer, View)> {
    missing()
}

impl Writer {
    pub(crate) fn put(&mut self, _bucket: &[u8], _key: &[u8], _value: &[u8]) -> Result<()> {
        missing()
    }

    pub(crate) fn delete(&mut self, _bucket: &[u8], _key: &[u8]) -> Result<()> {
        missing()
    }

    pub(crate) fn create_bucket(&mut self, _bucket: &[u8]) -> Result<()> {
        missing()
    }

    pub(crate) fn prepare(&mut self) -> Result<()> {
        missing()
    }

    pub(crate) fn finish(&mut self) -> Result<View> {
        missing()
    }
}
