//! What happened in a watched chat, kept for those who have not been sent it yet: once for all of
//! them, and bounded.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::Frame;

/// The most frames that are kept.
const FRAMES: usize = 1024;
/// The most bytes that are kept.
const BYTES: usize = 4 * 1024 * 1024;
/// A stream is given about this much at a time, so that one that reads slowly is seen to be slow.
pub(super) const CHUNK: usize = 64 * 1024;

/// Frames in order. Each has a number; a stream remembers the one that it needs next.
#[derive(Debug, Default)]
pub(super) struct Log {
    first: u64,
    frames: VecDeque<Frame>,
    bytes: usize,
}

/// A stream read so slowly that what it needs next is not kept any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSlow;

impl Log {
    /// The number of the frame that comes next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// Whether these can be told at all without losing everyone who is up to date.
    pub(super) fn has_room_for(frames: &[Frame]) -> bool {
        frames.len() <= FRAMES / 2
            && frames.iter().map(|frame| frame.bytes().len()).sum::<usize>() <= BYTES / 2
    }

    pub(super) fn push(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            self.bytes += frame.bytes().len();
            self.frames.push_back(frame);
        }
        while self.frames.len() > FRAMES || self.bytes > BYTES {
            let Some(gone) = self.frames.pop_front() else { break };
            self.bytes -= gone.bytes().len();
            self.first += 1;
        }
    }

    /// What follows from number `next` on, and the number after it.
    ///
    /// # Errors
    /// [`TooSlow`].
    pub(super) fn read(&self, next: u64) -> Result<(Bytes, u64), TooSlow> {
        let skip = next.checked_sub(self.first).ok_or(TooSlow)?;
        let skip = usize::try_from(skip).map_err(|_| TooSlow)?;
        let mut chunk = BytesMut::new();
        let mut read = next;
        for frame in self.frames.iter().skip(skip) {
            if !chunk.is_empty() && chunk.len() + frame.bytes().len() > CHUNK {
                break;
            }
            read += 1;
            if chunk.is_empty() && skip + 1 == self.frames.len() {
                // The usual case: one frame, which all streams can share.
                return Ok((frame.bytes().clone(), read));
            }
            chunk.extend_from_slice(frame.bytes());
        }
        Ok((chunk.freeze(), read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: usize, bytes: usize) -> Frame {
        Frame::removed(&format!("{number}{}", "x".repeat(bytes)))
    }

    #[test]
    fn everything_is_read_once_and_in_order() {
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
        assert_eq!(log.read(next), Ok((Bytes::new(), next)));
    }

    #[test]
    fn whoever_stays_behind_is_too_slow() {
        let mut log = Log::default();
        log.push((0..FRAMES).map(|i| frame(i, 4)).collect());
        assert!(log.read(0).is_ok());
        log.push(vec![frame(0, 4)]);
        assert_eq!(log.read(0), Err(TooSlow));
        assert!(log.read(1).is_ok());
        log.push(vec![frame(0, BYTES - 100)]);
        assert!(log.bytes <= BYTES && log.frames.len() < 10);
        assert!(!Log::has_room_for(&[frame(0, BYTES / 2)]) && Log::has_room_for(&[frame(0, 9)]));
    }

    #[test]
    fn a_chunk_is_bounded_but_never_empty() {
        let mut log = Log::default();
        log.push(vec![frame(0, CHUNK * 2), frame(1, CHUNK / 2), frame(2, CHUNK / 3)]);
        let (chunk, next) = log.read(0).unwrap();
        assert_eq!((chunk.len() > CHUNK, next), (true, 1));
        assert_eq!(log.read(1).unwrap().1, 3);
    }
}
