//! The blob store at its public door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use glasswork_agent_session::blobs::{BlobError, BlobRef, BlobStore, Digest};

fn store() -> (tempfile::TempDir, BlobStore) {
    let home = tempfile::tempdir().unwrap();
    let store = BlobStore::new(home.path().join("blobs"));
    (home, store)
}

fn names(home: &tempfile::TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(home.path().join("blobs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_same_content_is_one_private_file_under_its_digest() {
    let (home, store) = store();
    let blob = store.put(b"hello").unwrap();
    // The digest of the BLAKE3 reference implementation.
    assert_eq!(
        serde_json::to_string(&blob).unwrap(),
        r#"{"digest":"ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f","len":5}"#
    );
    let mut writer = store.writer().unwrap();
    for piece in [&b"he"[..], b"", b"llo"] {
        writer.write(piece).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), blob);
    assert_eq!(names(&home), [blob.digest.to_string()]);
    assert_eq!(store.get(&blob).unwrap(), b"hello");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&home.path().join("blobs")), mode(&store.path(&blob.digest))),
        (0o700, 0o600)
    );
}

#[test]
fn what_was_not_finished_leaves_nothing() {
    let (home, store) = store();
    let mut writer = store.writer().unwrap();
    writer.write(b"half").unwrap();
    assert_eq!(names(&home).len(), 1);
    drop(writer);
    assert_eq!(names(&home), [""; 0]);
}

#[test]
fn damage_is_named_and_healed_by_storing_again() {
    #[track_caller]
    fn check(damage: &[u8]) {
        let (_home, store) = store();
        let blob = store.put(b"hello").unwrap();
        fs::write(store.path(&blob.digest), damage).unwrap();
        match store.get(&blob) {
            Err(BlobError::Damaged {
                expected, found_len, ..
            }) => {
                assert_eq!((expected, found_len), (blob, damage.len() as u64));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(store.put(b"hello").unwrap(), blob);
        assert_eq!(store.get(&blob).unwrap(), b"hello");
    }
    check(b"hellO");
    check(b"hell");
    check(b"hello and more");
    check(b"");
}

#[test]
fn what_is_missing_is_told_with_its_folder() {
    let (home, store) = store();
    let blob = BlobRef {
        digest: Digest::of(b"nobody stored this"),
        len: 18,
    };
    match store.get(&blob) {
        Err(BlobError::Missing { digest, folder }) => {
            assert_eq!((digest, folder), (blob.digest, home.path().join("blobs")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn digests_are_read_as_they_are_written() {
    let digest = Digest::of(b"hello");
    assert_eq!(digest.to_string().parse(), Ok(digest));
    for wrong in [
        "",
        "ea8f",
        &digest.to_string().to_uppercase(),
        &format!("{digest}0"),
        &"g".repeat(64),
    ] {
        assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
    }
}
