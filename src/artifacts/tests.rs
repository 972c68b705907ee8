use std::convert::Infallible;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{TryStreamExt, stream};
use tempfile::TempDir;

use super::{ArtifactStore, ArtifactStoreUrl, Copied, WriteError};
use crate::model::ObjectKey;

fn store() -> (ArtifactStore, TempDir) {
    let folder = TempDir::new().unwrap();
    let url = ArtifactStoreUrl::Folder(folder.path().join("kept"));
    (ArtifactStore::open(&url).unwrap(), folder)
}

/// `size` bytes in chunks of 100 kB; each byte depends on its position.
fn source(
    size: usize,
) -> (Vec<u8>, impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Unpin) {
    let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let chunks: Vec<_> = bytes.chunks(100_000).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    (bytes, stream::iter(chunks))
}

async fn read(store: &ArtifactStore, key: &ObjectKey, range: std::ops::Range<u64>) -> Vec<u8> {
    let chunks = store.get(key, range).await.unwrap().expect("an object");
    chunks.try_collect::<Vec<_>>().await.unwrap().concat()
}

async fn listed(store: &ArtifactStore, before: DateTime<Utc>) -> Vec<ObjectKey> {
    store.list(before).try_collect().await.unwrap()
}

const EVER: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

#[tokio::test]
async fn an_object_is_read_in_whole_or_in_part() {
    let (store, _folder) = store();
    for size in [1, 1_000, 5 * 1024 * 1024, 12_345_678] {
        let key = ObjectKey::random();
        let (bytes, chunks) = source(size);
        assert_eq!(store.put(&key, size as u64, chunks).await.unwrap(), Copied::Whole, "{size}");
        assert_eq!(read(&store, &key, 0..size as u64).await, bytes, "{size}");
        let part = size / 3..size - size / 4;
        assert_eq!(read(&store, &key, part.start as u64..part.end as u64).await, bytes[part]);
    }
}

#[tokio::test]
async fn a_source_of_another_size_leaves_no_object() {
    let (store, folder) = store();
    for (size, expected) in
        [(10, 9), (10, 11), (0, 1), (6_000_000, 5_999_999), (6_000_000, 6_000_001)]
    {
        let (_, chunks) = source(size);
        let put = store.put(&ObjectKey::random(), expected, chunks).await.unwrap();
        assert_eq!(put, Copied::Differs, "{size}");
    }
    assert_eq!(std::fs::read_dir(folder.path().join("kept")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_no_object() {
    let (store, folder) = store();
    for before in [1, 70] {
        let good = std::iter::repeat_n(Ok(Bytes::from(vec![7; 100_000])), before);
        let chunks = stream::iter(good.chain([Err("broken off")]));
        let put = store.put(&ObjectKey::random(), 90_000_000, chunks).await;
        assert!(matches!(put, Err(WriteError::Source("broken off"))));
    }
    assert_eq!(std::fs::read_dir(folder.path().join("kept")).unwrap().count(), 0);
}

#[tokio::test]
async fn delete_removes_the_object_and_its_unfinished_file_and_is_idempotent() {
    let (store, folder) = store();
    let key = ObjectKey::random();
    store.put(&key, 10, source(10).1).await.unwrap();
    std::fs::write(folder.path().join(format!("kept/{}#1", key.as_str())), "half").unwrap();
    for _ in 0..2 {
        store.delete(&key).await.unwrap();
        assert!(store.get(&key, 0..1).await.unwrap().is_none());
        assert_eq!(std::fs::read_dir(folder.path().join("kept")).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn list_returns_old_objects_also_unfinished_ones_but_no_other_files() {
    let (store, folder) = store();
    let (done, half) = (ObjectKey::random(), ObjectKey::random());
    store.put(&done, 10, source(10).1).await.unwrap();
    std::fs::write(folder.path().join(format!("kept/{}#1", half.as_str())), "half").unwrap();
    std::fs::write(folder.path().join("kept/notes.txt"), "another file").unwrap();
    let mut all = listed(&store, EVER).await;
    all.sort_by_key(|key| key == &half);
    assert_eq!(all, [done, half]);
    assert_eq!(listed(&store, DateTime::UNIX_EPOCH).await, []);
}
