//! What the service writes to the disk.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    Place,
    served::{Served, ask},
};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_database_and_kept_files_are_readable_for_their_owner_alone() {
    let place = Place::new();
    let served = Served::start(&place, &[("CHAT_SERVICE_URL", "http://127.0.0.1:9")]);
    // A read opens the files beside it, which SQLite deletes while no connection has them open.
    let view = "GET /api/v1/shared_chats/no-such-link HTTP/1.1";
    let (mut found, until) = (Vec::new(), Instant::now() + Duration::from_secs(10));
    while found.len() < 3 && Instant::now() < until {
        assert_eq!(ask(served.main, view, "").0, 404);
        found = ["shared-chats.db", "shared-chats.db-wal", "shared-chats.db-shm"]
            .map(|file| place.path(file))
            .into_iter()
            .filter(|file| file.exists())
            .collect();
    }
    assert_eq!(found.len(), 3, "{found:?}");
    for file in found {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&place.path("shared-chats.db.artifacts")), 0o700);
}

#[test]
fn the_mode_of_an_existing_database_stays() {
    let place = Place::new();
    place.write("shared-chats.db", "");
    let file = place.path("shared-chats.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let _served = Served::start(&place, &[("CHAT_SERVICE_URL", "http://127.0.0.1:9")]);
    assert_eq!(mode(&file), 0o640);
}
