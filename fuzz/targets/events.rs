//! What holds: `src/fuzzing/`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| shared_chats::fuzzing::events(data));
