//! Text around a zstd frame, as one frame (RFC 8878, 3.1.1): what was compressed once is sent as it
//! is, within a document whose head changes. Frames one after the other would be legal too, but common
//! decoders stop at the end of the first.

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest block, and the least window that we ask for, so that any block fits into it.
const BLOCK: usize = 128 * 1024;
/// The largest window that decoders of HTTP bodies must have (RFC 9659).
const LARGEST_WINDOW: u64 = 8 * 1024 * 1024;

const LAST: u8 = 1;
const RAW: u32 = 0;
const RUN_LENGTH: u32 = 1;
const COMPRESSED: u32 = 2;

/// A frame that decodes to `before`, what `frame` decodes to, and `after`. `None` where `frame` is
/// none that this can be done with: it has no content size, a checksum, a dictionary, or a window
/// that browsers need not have, or it is damaged.
///
/// The blocks of a frame refer back by distance, and the first one to nothing before it; uncompressed
/// blocks leave what a decoder remembers as it is at the beginning. So they may be moved.
pub fn enclosed(before: &[u8], frame: &[u8], after: &[u8]) -> Option<Vec<u8>> {
    let header = Header::parse(frame)?;
    let blocks = frame.get(header.bytes..)?;
    let last = last_block(blocks, header.content)?;
    let size = header.content.checked_add(before.len() as u64)?.checked_add(after.len() as u64)?;
    let exponent = header.window.max(BLOCK as u64).checked_next_power_of_two()?.ilog2() - 10;

    let mut out = Vec::with_capacity(frame.len() + before.len() + after.len() + 64);
    out.extend(MAGIC);
    // A content size of eight bytes, a window descriptor, and nothing else.
    out.push(0b1100_0000);
    out.push(u8::try_from(exponent << 3).ok()?);
    out.extend(size.to_le_bytes());
    for part in before.chunks(BLOCK) {
        push_raw(&mut out, part, 0);
    }
    let start = out.len();
    out.extend_from_slice(blocks);
    *out.get_mut(start + last)? &= !LAST;
    // The end of the document is short.
    push_raw(&mut out, after.get(..after.len().min(BLOCK))?, LAST);
    (after.len() <= BLOCK).then_some(out)
}

fn push_raw(out: &mut Vec<u8>, bytes: &[u8], last: u8) {
    // At most 128 KiB, so 21 bits hold it.
    let header = ((bytes.len() as u32) << 3 | RAW << 1).to_le_bytes();
    out.extend([header[0] | last, header[1], header[2]]);
    out.extend_from_slice(bytes);
}

struct Header {
    /// Its own length.
    bytes: usize,
    /// What the frame decodes to, in bytes.
    content: u64,
    /// How far back blocks may refer, in bytes.
    window: u64,
}

impl Header {
    fn parse(frame: &[u8]) -> Option<Self> {
        let (magic, rest) = frame.split_first_chunk::<4>()?;
        let (&descriptor, rest) = rest.split_first()?;
        let is_single_segment = descriptor & 0b0010_0000 != 0;
        // Reserved bit, checksum, dictionary.
        if *magic != MAGIC || descriptor & 0b0000_1111 != 0 {
            return None;
        }
        let window_bytes = usize::from(!is_single_segment);
        let content_bytes = match descriptor >> 6 {
            0 if is_single_segment => 1,
            0 => return None,
            1 => 2,
            2 => 4,
            _ => 8,
        };
        let mut content = [0; 8];
        content[..content_bytes].copy_from_slice(rest.get(window_bytes..)?.get(..content_bytes)?);
        // Two bytes count from 256 on.
        let content =
            u64::from_le_bytes(content).checked_add(u64::from(content_bytes == 2) * 256)?;
        let window = match is_single_segment {
            true => content,
            false => {
                let (exponent, eighths) = (rest[0] >> 3, u64::from(rest[0] & 7));
                let base = 1u64 << (10 + exponent);
                base + base / 8 * eighths
            }
        };
        let bytes = MAGIC.len() + 1 + window_bytes + content_bytes;
        (window <= LARGEST_WINDOW).then_some(Self { bytes, content, window })
    }
}

/// Where the last block begins, if the blocks are all there is. Where it is empty, decoders do not compare
/// what came out with the size that the frame says, and a damaged one would pass alone but not enclosed:
/// only a frame of nothing at all ends so, of those that we make.
fn last_block(blocks: &[u8], content: u64) -> Option<usize> {
    let mut at = 0usize;
    loop {
        let header = blocks.get(at..at.checked_add(3)?)?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let size = match header >> 1 & 3 {
            RAW | COMPRESSED => (header >> 3) as usize,
            RUN_LENGTH => 1,
            _ => return None,
        };
        let next = at + 3 + size;
        if header as u8 & LAST != 0 {
            let is_sound = size > 0 || (at == 0 && content == 0);
            return (is_sound && next == blocks.len()).then_some(at);
        }
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: usize) -> Vec<u8> {
        let words = (0u32..).map(|n| format!("word {} ", n.wrapping_mul(2_654_435_761) % 5000));
        let mut text: Vec<u8> = words.flat_map(String::into_bytes).take(bytes).collect();
        text.truncate(bytes);
        text
    }

    /// By a decoder that needs the size, and by one that reads along and stops at the frame's end.
    fn decoded(frame: &[u8], size: usize) -> Vec<u8> {
        let whole = zstd::bulk::decompress(frame, size).unwrap();
        assert_eq!(zstd::stream::decode_all(frame).unwrap(), whole);
        whole
    }

    #[test]
    fn it_decodes_to_the_whole() {
        for content in [0, 1, 255, 256, 70_000, BLOCK, BLOCK + 1, 3_000_000, 9_000_000] {
            for before in [0, 1, 300, BLOCK, 2 * BLOCK + 5] {
                for level in [1, 3, 9] {
                    let (before, content) = (text(before), text(content));
                    let frame = zstd::bulk::compress(&content, level).unwrap();
                    let whole = [&before[..], &content, b"}"].concat();
                    let enclosed = enclosed(&before, &frame, b"}").unwrap();
                    assert_eq!(decoded(&enclosed, whole.len()), whole);
                    assert!(enclosed.len() <= frame.len() + before.len() + 64);
                }
            }
        }
    }

    #[test]
    fn what_does_not_compress_or_repeats_without_end_is_enclosed_too() {
        let noise: Vec<u8> = (0..400_000u64)
            .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) >> 24) as u8)
            .collect();
        for content in [noise, vec![b'x'; 5_000_000]] {
            let frame = zstd::bulk::compress(&content, 3).unwrap();
            let whole = [b"[", &content[..], b"]"].concat();
            assert_eq!(decoded(&enclosed(b"[", &frame, b"]").unwrap(), whole.len()), whole);
        }
    }

    #[test]
    fn a_frame_that_says_another_size_than_it_has_is_left_alone_though_it_decodes() {
        // Single segments: the size in a byte, then blocks of three bytes of head each.
        for (size, blocks) in [
            (52, &[0, 0, 0, 1, 0, 0][..]),
            (52, &[1, 0, 0]),
            (0, &[8, 0, 0, b'x', 1, 0, 0]),
            (7, &[8, 0, 0, b'x', 1, 0, 0]),
        ] {
            let frame = [&MAGIC[..], &[0b0010_0000, size], blocks].concat();
            assert!(enclosed(b"[", &frame, b"]").is_none(), "{frame:?}");
        }
        let nothing = [&MAGIC[..], &[0b0010_0000, 0, 1, 0, 0]].concat();
        assert_eq!(decoded(&enclosed(b"[", &nothing, b"]").unwrap(), 2), b"[]");
    }

    #[test]
    fn what_it_cannot_enclose_is_left_alone() {
        let frame = zstd::bulk::compress(&text(200_000), 3).unwrap();
        for cut in 0..frame.len() {
            assert!(enclosed(b"", &frame[..cut], b"").is_none(), "cut at {cut}");
        }
        assert!(enclosed(b"", &[&frame[..], b"x"].concat(), b"").is_none());
        // As a stream: without the size, or with a checksum.
        assert!(enclosed(b"", &zstd::stream::encode_all(&text(9)[..], 3).unwrap(), b"").is_none());
        let mut encoder = zstd::bulk::Compressor::new(3).unwrap();
        encoder.include_checksum(true).unwrap();
        assert!(enclosed(b"", &encoder.compress(b"text").unwrap(), b"").is_none());
    }
}
