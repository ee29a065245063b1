//! Stands where crate `bolt` comes in: everything in memory, written whole at each commit.
//! Not etcd's format; goes when `bolt` is there.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use env::{Disk, OpenMode};

use crate::{Error, Result};

type Rows = BTreeMap<Bytes, Bytes>;
type Buckets = BTreeMap<Bytes, Arc<Rows>>;

/// A stable state of the file.
#[derive(Clone)]
pub(crate) struct View {
    buckets: Arc<Buckets>,
}

impl View {
    pub(crate) fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.buckets.get(bucket).and_then(|rows| rows.get(key)).cloned())
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        let rows = self.buckets.values().flat_map(|rows| rows.iter());
        rows.map(|(key, value)| (key.len() + value.len() + 16) as u64).sum::<u64>() + 16384
    }

    pub(crate) fn size_in_use(&self) -> u64 {
        self.size_bytes()
    }

    pub(crate) fn cursor(&self, bucket: &[u8]) -> Result<Option<Cursor>> {
        let rows = self.buckets.get(bucket).cloned();
        Ok(rows.map(|rows| Cursor { rows, at: None }))
    }

    pub(crate) fn buckets(&self) -> Result<Vec<Bytes>> {
        Ok(self.buckets.keys().cloned().collect())
    }

    pub(crate) fn scan(
        &self,
        bucket: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let rows = self.buckets.get(bucket).cloned().unwrap_or_default();
        rows.iter().try_for_each(|(key, value)| visit(key, value))
    }
}

/// A place in a bucket.
pub(crate) struct Cursor {
    rows: Arc<Rows>,
    at: Option<Bytes>,
}

impl Cursor {
    fn go(&mut self, row: Option<(Bytes, Bytes)>) -> Option<(Bytes, Bytes)> {
        self.at = row.as_ref().map(|(key, _)| key.clone());
        row
    }

    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<Option<(Bytes, Bytes)>> {
        let from = Bytes::copy_from_slice(key);
        let row = self.rows.range(from..).next().map(|(key, value)| (key.clone(), value.clone()));
        Ok(self.go(row))
    }

    pub(crate) fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        let Some(at) = self.at.take() else { return Ok(None) };
        let after = (std::ops::Bound::Excluded(at), std::ops::Bound::Unbounded);
        let row = self.rows.range(after).next().map(|(key, value)| (key.clone(), value.clone()));
        Ok(self.go(row))
    }

    pub(crate) fn last(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        let row = self.rows.last_key_value().map(|(key, value)| (key.clone(), value.clone()));
        Ok(self.go(row))
    }
}

/// The file's writer.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    buckets: Buckets,
}

fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("db.tmp.aside-{name}"))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io { doing: "handle", path: path.to_path_buf(), source }
}

pub(crate) fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<(Writer, View)> {
    let file = disk.open(path, OpenMode::Create).map_err(failed(path))?;
    let mut bytes = vec![0; file.len().map_err(failed(path))? as usize];
    file.read_exact_at(&mut bytes, 0).map_err(failed(path))?;
    let mut bytes = Bytes::from(bytes);
    let mut take = || -> Bytes {
        let len = bytes.get_u32() as usize;
        bytes.split_to(len)
    };
    let mut buckets = Buckets::new();
    if file.len().map_err(failed(path))? > 0 {
        loop {
            let name = take();
            if name.is_empty() {
                break;
            }
            let mut rows = Rows::new();
            loop {
                let key = take();
                if key.is_empty() {
                    break;
                }
                rows.insert(key, take());
            }
            buckets.insert(name, Arc::new(rows));
        }
    }
    let view = View { buckets: Arc::new(buckets.clone()) };
    Ok((Writer { disk, path: path.to_path_buf(), buckets }, view))
}

impl Writer {
    pub(crate) fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) -> Result<()> {
        let rows = self.buckets.get_mut(bucket).expect("a bucket");
        Arc::make_mut(rows).insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        Ok(())
    }

    pub(crate) fn delete(&mut self, bucket: &[u8], key: &[u8]) -> Result<()> {
        let rows = self.buckets.get_mut(bucket).expect("a bucket");
        Arc::make_mut(rows).remove(key);
        Ok(())
    }

    pub(crate) fn create_bucket(&mut self, bucket: &[u8]) -> Result<()> {
        self.buckets.entry(Bytes::copy_from_slice(bucket)).or_default();
        Ok(())
    }

    pub(crate) fn prepare(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        let put = |bytes: &mut Vec<u8>, part: &[u8]| {
            bytes.put_u32(part.len() as u32);
            bytes.put_slice(part);
        };
        for (name, rows) in &self.buckets {
            put(&mut bytes, name);
            for (key, value) in rows.iter() {
                put(&mut bytes, key);
                put(&mut bytes, value);
            }
            put(&mut bytes, b"");
        }
        put(&mut bytes, b"");
        let aside = aside(&self.path);
        let file = self.disk.open(&aside, OpenMode::Truncate).map_err(failed(&aside))?;
        file.write_at(&bytes, 0).map_err(failed(&aside))?;
        file.sync_data().map_err(failed(&aside))
    }

    pub(crate) fn finish(&mut self) -> Result<View> {
        let aside = aside(&self.path);
        self.disk.rename(&aside, &self.path).map_err(failed(&aside))?;
        self.disk.sync_dir(self.path.parent().expect("a file")).map_err(failed(&aside))?;
        Ok(View { buckets: Arc::new(self.buckets.clone()) })
    }

    pub(crate) fn renamed(&mut self, path: &Path) {
        self.path = path.to_path_buf();
    }
}
