//! The last frames of a watched chat: bounded, and shared by all of its streams.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::Frame;

const MAX_FRAMES: usize = 1024;
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that a stream takes at a time: a slow client falls behind in the log, not in a buffer of
/// its own.
const CHUNK: usize = 64 * 1024;

/// Numbered frames; a stream stores the number that it needs next.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The number of the first frame that is kept.
    first: u64,
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl Log {
    /// The number of the frame that comes next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether these can be pushed without dropping frames that up-to-date streams need.
    pub(super) fn has_room_for(frames: &[Frame]) -> bool {
        frames.len() <= MAX_FRAMES / 2
            && frames.iter().map(|frame| frame.bytes().len()).sum::<usize>() <= MAX_BYTES / 2
    }

    pub(super) fn push(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            self.bytes += frame.bytes().len();
            self.frames.push_back(frame);
        }
        while self.frames.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
            let Some(dropped) = self.frames.pop_front() else { break };
            self.bytes -= dropped.bytes().len();
            self.first += 1;
        }
    }

    /// A chunk from number `next` on, and the number after it; `None` when `next` was dropped.
    pub(super) fn read(&self, next: u64) -> Option<(Bytes, u64)> {
        let skip = usize::try_from(next.checked_sub(self.first)?).ok()?;
        let (bytes, count) = chunk(self.frames.iter().skip(skip).cloned());
        Some((bytes, next + count as u64))
    }
}

/// Joins the first frames, as many as fit into a chunk but at least one; also returns their number.
pub(super) fn chunk(frames: impl Iterator<Item = Frame>) -> (Bytes, usize) {
    let mut frames = frames.map(Frame::into_bytes).peekable();
    let Some(first) = frames.next() else { return (Bytes::new(), 0) };
    let mut size = first.len();
    let mut fits = |frame: &Bytes| {
        size += frame.len();
        size <= CHUNK
    };
    let Some(second) = frames.next_if(&mut fits) else {
        // The usual case: one frame, whose bytes all streams share.
        return (first, 1);
    };
    let mut chunk = BytesMut::from(first);
    chunk.extend_from_slice(&second);
    let mut count = 2;
    while let Some(frame) = frames.next_if(&mut fits) {
        chunk.extend_from_slice(&frame);
        count += 1;
    }
    (chunk.freeze(), count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: usize, bytes: usize) -> Frame {
        Frame::removed(&format!("{number}{}", "x".repeat(bytes)))
    }

    #[test]
    fn frames_are_read_once_and_in_order() {
        let mut log = Log::default();
        let mut next = log.end();
        let mut read = Vec::new();
        for round in 0..50 {
            log.push((0..round % 4).map(|i| frame(round * 10 + i, 4)).collect());
            while next < log.end() {
                let (chunk, after) = log.read(next).unwrap();
                assert!(after > next);
                read.extend_from_slice(&chunk);
                next = after;
            }
        }
        let all: Vec<u8> = (0..50)
            .flat_map(|round| (0..round % 4).map(move |i| frame(round * 10 + i, 4)))
            .flat_map(|frame| frame.bytes().to_vec())
            .collect();
        assert_eq!(read, all);
        assert_eq!(log.read(next), Some((Bytes::new(), next)));
    }

    #[test]
    fn reading_a_dropped_frame_is_none() {
        let mut log = Log::default();
        log.push((0..MAX_FRAMES).map(|i| frame(i, 4)).collect());
        assert!(log.read(0).is_some());
        log.push(vec![frame(0, 4)]);
        assert_eq!(log.read(0), None);
        assert!(log.read(1).is_some());
        log.push(vec![frame(0, MAX_BYTES - 100)]);
        assert!(log.bytes <= MAX_BYTES && log.frames.len() < 10);
        assert!(
            !Log::has_room_for(&[frame(0, MAX_BYTES / 2)]) && Log::has_room_for(&[frame(0, 9)])
        );
    }

    #[test]
    fn chunk_is_bounded_but_holds_at_least_one_frame() {
        let mut log = Log::default();
        log.push(vec![frame(0, CHUNK * 2), frame(1, CHUNK / 2), frame(2, CHUNK / 3)]);
        let (chunk, next) = log.read(0).unwrap();
        assert_eq!((chunk.len() > CHUNK, next), (true, 1));
        assert_eq!(log.read(1).unwrap().1, 3);
    }
}
