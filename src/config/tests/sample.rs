//! `.env.sample`.

use super::*;

#[test]
fn every_setting_is_in_the_sample_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.env.sample");
    let text = std::fs::read_to_string(path).unwrap();
    for Setting { name, .. } in settings() {
        assert!(text.contains(&format!("{name}=")), "{name} is missing");
    }
    for (name, _) in RETIRED {
        assert!(!text.contains(name), "{name} is no setting any more");
    }
}

/// With every setting that stands there as a comment.
fn sample() -> String {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.sample")).unwrap();
    let is_setting = |line: &&str| {
        line.split_once('=').is_some_and(|(name, _)| settings().any(|it| it.name == name))
    };
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if is_setting(&setting) => setting,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_sample_file_is_the_same_to_docker_and_to_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), sample()).unwrap();
    // As `docker run --env-file` reads it: lines, comments at their beginning, values as they are.
    let lines = sample();
    let lines = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let by_docker: HashMap<&str, &str> = lines.map(|line| line.split_once('=').unwrap()).collect();
    assert!(by_docker.len() > 40, "{by_docker:?}");
    let shell = std::process::Command::new("sh")
        .args(["-euc", "set -a; . ./.env; env -0"])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    assert!(shell.status.success() && shell.stderr.is_empty(), "{shell:?}");
    let by_shell = String::from_utf8(shell.stdout).unwrap();
    let by_shell: HashMap<&str, &str> =
        by_shell.split_terminator('\0').map(|line| line.split_once('=').unwrap()).collect();
    for (name, value) in &by_docker {
        assert_eq!(by_shell.get(name), Some(value), "{name}");
        assert!(!value.contains(['"', '\'', '$', ' ', '#']), "{name}={value}");
    }
    // Each of them is one that the service takes, if the file is there that this one names.
    let is_complete = |(name, value): &(&str, &str)| !value.is_empty() && *name != "SSL_CERT_FILE";
    for (name, value) in by_docker.into_iter().filter(is_complete) {
        let needs = match name {
            "CHAT_SERVICE_CLIENT_ID" | "CHAT_SERVICE_SCOPE" | "CHAT_SERVICE_AUDIENCE" => {
                &[&CLIENT[..], &[("CHAT_SERVICE_URL", "https://chat.example")]].concat()
            }
            "AUTH_AUDIENCE_CLAIM" => &vec![("AUTH_AUDIENCE", "shared-chats")],
            _ => &vec![],
        };
        let said = read(&[&needs[..], &[(name, value)]].concat()).err();
        assert_eq!(said, None, "{name}={value}");
    }
}
