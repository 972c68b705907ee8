//! HTTP header fields that handlers read and write, by the RFC that defines each.

pub mod accept;
pub mod coding;
pub mod disposition;
pub mod etag;
pub mod ranges;
