//! Replays the fuzzers' seeds and past findings.

use std::{collections::BTreeSet, fs, path::Path};

use super::TARGETS;

fn fuzz() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    let stem = |path: std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| stem(entry.unwrap().path())).collect()
}

#[test]
fn the_fuzz_targets_hold_for_their_seeds() {
    for (name, target) in TARGETS {
        let seeds = fs::read_dir(fuzz().join("seeds").join(name)).unwrap();
        let mut count = 0;
        for seed in seeds {
            let path = seed.unwrap().path();
            // Names the seed if it fails.
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
        target(b"");
    }
}

/// Fuzzing without coverage feedback. `FUZZ_ROUNDS` sets the mutations of each seed, 100 by
/// default, and `FUZZ_SEED` the random seed.
#[test]
fn the_fuzz_targets_hold_for_mutated_seeds() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |n| n.parse().unwrap());
    let mut chance = Chance(number("FUZZ_SEED", 1));
    for (name, target) in TARGETS {
        let entries = fs::read_dir(fuzz().join("seeds").join(name)).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        for seed in &seeds {
            for _ in 0..number("FUZZ_ROUNDS", 100) {
                let mut data = seed.clone();
                for _ in 0..=chance.below(4) {
                    chance.change(&mut data, &seeds);
                }
                if std::panic::catch_unwind(|| target(&data)).is_err() {
                    panic!("{name} fails for b\"{}\"", data.escape_ascii());
                }
            }
        }
    }
}

/// SplitMix64, so that a failure is reproducible.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 1).unwrap() % bound.max(1)
    }

    /// A random range of up to 16 bytes.
    fn piece(&mut self, data: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(data.len() + 1);
        let length = self.below((data.len() - start).min(16) + 1);
        start..start + length
    }

    fn change(&mut self, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        const ODD: &[u8] = b"\0\t\n \"'<>&,;:=.-_/\\%{}[]()*#`|~!0159azAZ\x7f\x80\xc2\xe2\xff";
        let piece = self.piece(data);
        match self.below(5) {
            0 if !data.is_empty() => {
                let at = self.below(data.len());
                data[at] ^= 1 << self.below(8);
            }
            1 => data.insert(piece.start, ODD[self.below(ODD.len())]),
            2 => drop(data.drain(piece)),
            3 => {
                let copy = data[piece.clone()].to_vec();
                data.splice(piece.start..piece.start, copy);
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.piece(other);
                data.splice(piece, other[from].iter().copied());
            }
        }
    }
}

#[test]
fn each_target_has_its_file_its_seeds_and_its_binary() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("targets"), listed);
    assert_eq!(names("seeds"), listed);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &listed {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
        let target = fs::read_to_string(fuzz().join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("shared_chats::fuzzing::{name}(data)")), "{name}");
    }
}

/// So that both builds have the same features, and `fuzz/run --shared` can use what `cargo test`
/// built.
#[test]
fn the_fuzz_targets_share_the_dependencies_of_the_tests() {
    let table = |manifest: &str, heading: &str| -> Vec<String> {
        let lines = manifest.lines().skip_while(|line| *line != heading).skip(1);
        let lines = lines.take_while(|line| !line.starts_with('['));
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let (service, fuzz) = (read(&fuzz().join("../Cargo.toml")), read(&fuzz().join("Cargo.toml")));
    let shared = table(&fuzz, "[dependencies]");
    let missing: Vec<String> = table(&service, "[dev-dependencies]")
        .into_iter()
        .filter(|line| !shared.contains(line))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "fuzz/Cargo.toml lacks dev-dependencies");
    for heading in [
        "[profile.dev]",
        "[profile.dev.package.math-core]",
        "[profile.dev.package.math-core-renderer-internal]",
    ] {
        assert_eq!(table(&fuzz, heading), table(&service, heading), "{heading}");
    }
}
