//! What the service writes to the disk.

use std::{os::unix::fs::PermissionsExt, path::Path};

use crate::{Place, served::Served};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_database_and_kept_files_are_readable_for_their_owner_alone() {
    let place = Place::new();
    let _served = Served::start(&place, &[("CHAT_SERVICE_URL", "http://127.0.0.1:9")]);
    for file in ["shared-chats.db", "shared-chats.db-wal", "shared-chats.db-shm"] {
        assert_eq!(mode(&place.path(file)), 0o600, "{file}");
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
