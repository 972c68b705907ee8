//! What the fuzzers start from, and what they once found, at every run of the tests.

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
            // Which one it was is told should it fail.
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
        target(b"");
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
