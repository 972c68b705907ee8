//! `ARTIFACT_STORE_URL`.

use std::{path::PathBuf, str::FromStr};

/// Where files are kept (docs/API.md 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactStoreUrl {
    /// `file:PATH`, a folder.
    Folder(PathBuf),
    /// `s3://BUCKET/PREFIX`, with the usual `AWS_…` variables. The prefix may be empty.
    S3 { bucket: String, prefix: String },
}

impl FromStr for ArtifactStoreUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const PROBLEM: &str = "must be file:PATH, with the path of a folder, or s3://BUCKET/PREFIX";
        if let Some(path) = text.strip_prefix("file:") {
            let path = if path.starts_with("///") { &path[2..] } else { path };
            if path.is_empty() || path.starts_with("//") {
                return Err(PROBLEM);
            }
            return Ok(Self::Folder(path.into()));
        }
        let location = text.strip_prefix("s3://").ok_or(PROBLEM)?;
        let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
        let prefix = prefix.trim_end_matches('/');
        // S3's rules for the names of buckets; a prefix without characters that are special in
        // URLs.
        let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        let segments = |prefix: &str| prefix.split('/').all(|s| !matches!(s, "" | "." | ".."));
        if bucket.len() < 3
            || !bucket.bytes().all(name)
            || !prefix.bytes().all(plain)
            || !(prefix.is_empty() || segments(prefix))
        {
            return Err(PROBLEM);
        }
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_folder_or_a_bucket() {
        let s3 = |bucket: &str, prefix: &str| {
            Ok(ArtifactStoreUrl::S3 { bucket: bucket.into(), prefix: prefix.into() })
        };
        assert_eq!("file:kept".parse(), Ok(ArtifactStoreUrl::Folder("kept".into())));
        assert_eq!("file:///srv/kept".parse(), Ok(ArtifactStoreUrl::Folder("/srv/kept".into())));
        assert_eq!("s3://bucket".parse(), s3("bucket", ""));
        assert_eq!("s3://bucket/a/b/".parse(), s3("bucket", "a/b"));
        for bad in
            ["", "kept", "file:", "file://host/x", "s3://", "s3:///x", "s3://b/../x", "gs://x"]
        {
            assert!(bad.parse::<ArtifactStoreUrl>().is_err(), "{bad}");
        }
    }
}
