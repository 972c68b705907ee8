//! Chats from a JSON file.

use std::{fs, path::Path, time::Instant};

use tempfile::TempDir;

use super::*;

struct ChatsFile {
    folder: TempDir,
}

impl ChatsFile {
    fn holding(json: &str) -> Self {
        let file = Self { folder: TempDir::new().unwrap() };
        file.write(json);
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("chats.json")
    }

    fn write(&self, json: &str) {
        fs::write(self.path(), json).unwrap();
    }

    fn settings(&self) -> ChatServiceSettings {
        settings(&format!("file:{}", self.path().display()))
    }

    fn service(&self) -> ChatService {
        ChatService::new(self.settings()).unwrap()
    }
}

fn chats(name: &str) -> String {
    format!(
        r#"[{{"id":"c-1","name":"{name}","owner":"alice","new":1,
            "messages":[{{"id":"m1","content":"a\u0000\ud800","created_at":"2026-01-01 00:00:00"}},
                        {{"id":"m2","content":"b","created_at":"2026-01-01T00:00:00Z","reply_to":"m1"}},
                        {{"id":"m1","content":"again","created_at":"2026-01-01T00:00:00Z"}}],
            "artifacts":[{{"id":"f1","filename":"x.csv","bytes":3,"created_at":1767225600,"path":"x"}}]}},
           {{"id":"c-2","owner":"bob","messages":[]}}]"#
    )
}

async fn name(service: &ChatService) -> Result<Option<String>, ChatServiceError> {
    Ok(service.read(Access::Caller(&caller()), &chat_id()).chat().await?.name)
}

#[tokio::test]
async fn a_chat_in_the_file_reads_like_one_of_the_service() {
    let file = ChatsFile::holding(&chats("Ein\\u0000s"));
    let service = file.service();
    let (caller, id) = (caller(), chat_id());
    let reader = service.read(Access::Caller(&caller), &id);
    assert_eq!(reader.chat().await.unwrap().name.as_deref(), Some("Ein\u{fffd}s"));
    let messages = reader.messages().await.unwrap();
    assert_eq!(ids(&messages), ["m1", "m2"]);
    assert_eq!(messages[0].content.as_json(), r#""a\u0000\ud800""#);
    assert_eq!(messages[0].created_at, "2026-01-01T00:00:00Z");
    assert_eq!(messages[1].role.as_str(), "assistant");
    assert!(reader.has_messages().await.unwrap());
    let files = reader.files().await.unwrap();
    assert_eq!((files.len(), files[0].filename.as_str()), (1, "x.csv"));
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped() {
    let file = ChatsFile::holding(&format!("\u{feff}{}", chats("Marked")));
    assert_eq!(name(&file.service()).await.unwrap().as_deref(), Some("Marked"));
}

#[tokio::test]
async fn only_its_owner_may_share_a_chat_but_the_service_reads_any() {
    let file = ChatsFile::holding(&chats("n"));
    let service = file.service();
    assert!(service.has_service_access());
    let (alice, id) = (caller(), ChatSessionId::parse("c-2").unwrap());
    let hers = service.read(Access::Caller(&alice), &id);
    assert_eq!(hers.chat().await.unwrap_err(), ChatServiceError::Forbidden);
    assert_eq!(hers.messages().await.unwrap_err(), ChatServiceError::Forbidden);
    assert_eq!(hers.has_messages().await.unwrap_err(), ChatServiceError::Forbidden);
    assert_eq!(hers.files().await.unwrap_err(), ChatServiceError::Forbidden);
    let ours = service.read(Access::Service, &id);
    assert_eq!(ours.chat().await.unwrap(), Chat { id: id.clone(), name: None });
    assert!(!ours.has_messages().await.unwrap());
    assert!(ours.files().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_chat_that_the_file_does_not_hold_is_not_found() {
    let file = ChatsFile::holding(&chats("n"));
    let (caller, id) = (caller(), ChatSessionId::parse("c-3").unwrap());
    let service = file.service();
    for access in [Access::Caller(&caller), Access::Service] {
        let result = service.read(access, &id).messages().await;
        assert_eq!(result.unwrap_err(), ChatServiceError::NotFound);
    }
}

#[tokio::test]
async fn a_change_is_seen_at_once_even_within_one_tick_of_the_file_systems_clock() {
    let file = ChatsFile::holding(&chats("0"));
    let service = file.service();
    let started = Instant::now();
    let mut round = 10;
    // Of the same length each time, and for longer than what was read takes to settle.
    while started.elapsed() < Duration::from_millis(100) {
        round = if round < 99 { round + 1 } else { 10 };
        file.write(&chats(&round.to_string()));
        assert_eq!(name(&service).await.unwrap(), Some(round.to_string()));
        assert_eq!(name(&service).await.unwrap(), Some(round.to_string()));
    }
}

#[tokio::test]
async fn a_file_that_does_not_change_is_not_read_again() {
    let file = ChatsFile::holding(&chats("n"));
    let service = file.service();
    let ChatService::File(source) = &service else { panic!() };
    tokio::time::sleep(Duration::from_millis(40)).await;
    name(&service).await.unwrap();
    let settled = source.chats().await.unwrap();
    assert!(Arc::ptr_eq(&settled, &source.chats().await.unwrap()));
    file.write(&chats("m"));
    assert!(!Arc::ptr_eq(&settled, &source.chats().await.unwrap()));
}

#[tokio::test]
async fn one_operation_reads_one_version_of_the_file() {
    let file = ChatsFile::holding(&chats("old"));
    let service = file.service();
    let (caller, id) = (caller(), chat_id());
    let operation = service.read(Access::Caller(&caller), &id);
    assert_eq!(operation.chat().await.unwrap().name.as_deref(), Some("old"));
    file.write("[]");
    assert_eq!(operation.messages().await.unwrap().len(), 2);
    let next = service.read(Access::Caller(&caller), &id).messages().await;
    assert_eq!(next.unwrap_err(), ChatServiceError::NotFound);
}

#[tokio::test]
async fn another_file_put_in_its_place_is_read() {
    let file = ChatsFile::holding(&chats("old"));
    let service = file.service();
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(name(&service).await.unwrap().as_deref(), Some("old"));
    // Of the same length and with the same modification time.
    let modified = fs::metadata(file.path()).unwrap().modified().unwrap();
    let other = file.folder.path().join("other.json");
    fs::write(&other, chats("new")).unwrap();
    fs::File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
    fs::rename(&other, file.path()).unwrap();
    assert_eq!(name(&service).await.unwrap().as_deref(), Some("new"));
}

#[tokio::test]
async fn a_file_that_broke_or_went_away_gives_nothing_until_it_is_good_again() {
    let file = ChatsFile::holding(&chats("good"));
    let service = file.service();
    tokio::time::sleep(Duration::from_millis(40)).await;
    name(&service).await.unwrap();

    file.write("[{\"id\":\"c-1\",\n \"name\": SECRET}]");
    for _ in 0..2 {
        match name(&service).await {
            Err(ChatServiceError::BadAnswer(why)) => {
                assert!(why.contains("line 2") && !why.contains("SECRET"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    file.write(&chats("again"));
    assert_eq!(name(&service).await.unwrap().as_deref(), Some("again"));

    fs::remove_file(file.path()).unwrap();
    assert!(matches!(name(&service).await, Err(ChatServiceError::Unreachable(_))));
    fs::create_dir(file.path()).unwrap();
    assert!(matches!(name(&service).await, Err(ChatServiceError::Unreachable(_))));
    fs::remove_dir(file.path()).unwrap();
    file.write(&chats("back"));
    assert_eq!(name(&service).await.unwrap().as_deref(), Some("back"));
}

#[test]
fn a_file_that_is_missing_or_wrong_stops_the_start_and_says_where() {
    let error = ChatService::new(settings("file:/nowhere/chats.json")).unwrap_err();
    assert_eq!(error.setting, "CHAT_SERVICE_URL");
    assert!(error.problem.contains("/nowhere/chats.json"), "{error}");
    for (json, part) in [
        ("", "line 1"),
        ("{}", "line 1 column"),
        ("[\n{\"id\":\"c-1\",\"owner\":\"a\"}]", "`messages` at line 2"),
        (
            "[\n\n{\"id\":\"../x\",\"owner\":\"a\",\"messages\":[]}]",
            "an id that no chat can have at line 3",
        ),
        ("[{\"id\":\"c\",\"owner\":\"\",\"messages\":[]}]", "owner"),
        (
            "[{\"id\":\"c\",\"owner\":\"a\",\"messages\":[{\"id\":\"m\",\n\"content\":7}]}]",
            "line 2",
        ),
        (
            "[{\"id\":\"c\",\"owner\":\"a\",\"messages\":[]},{\"id\":\"c\",\"owner\":\"b\",\"messages\":[]}]",
            "chat number 2 has the id of another",
        ),
    ] {
        let file = ChatsFile::holding(json);
        let error = ChatService::new(file.settings()).unwrap_err();
        assert_eq!(error.setting, "CHAT_SERVICE_URL");
        assert!(error.problem.contains(part), "{error}");
    }
    let file = ChatsFile::holding("[]");
    fs::write(file.path(), b"[\"\xff\"]").unwrap();
    assert!(ChatService::new(file.settings()).unwrap_err().problem.contains("UTF-8"));
}

#[tokio::test]
async fn a_chat_of_the_file_that_is_too_large_cannot_be_shared_but_others_can() {
    let big = "x".repeat(1_000);
    let file = ChatsFile::holding(&format!(
        r#"[{{"id":"c-1","owner":"alice","messages":[{{"id":"m","content":"{big}","created_at":"2026-01-01T00:00:00Z"}}]}},
            {{"id":"c-2","owner":"alice","messages":[{{"id":"m","content":"x","created_at":"2026-01-01T00:00:00Z"}}]}}]"#
    ));
    let service =
        ChatService::new(ChatServiceSettings { max_snapshot_bytes: 1_000, ..file.settings() });
    let service = service.unwrap();
    let result = service.read(Access::Service, &chat_id()).messages().await;
    assert_eq!(result.unwrap_err(), ChatServiceError::TooLarge { limit: 1_000 });
    let id = ChatSessionId::parse("c-2").unwrap();
    assert_eq!(service.read(Access::Service, &id).messages().await.unwrap().len(), 1);
}

#[tokio::test]
async fn many_readers_at_once_all_see_the_change() {
    let file = ChatsFile::holding(&chats("old"));
    let service = Arc::new(file.service());
    tokio::time::sleep(Duration::from_millis(40)).await;
    file.write(&chats("new"));
    let readers: Vec<_> = (0..50)
        .map(|_| {
            let service = Arc::clone(&service);
            tokio::spawn(async move { name(&service).await })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap().as_deref(), Some("new"));
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_opened() {
    assert!(Path::new("/dev/null").exists());
    let error = ChatService::new(settings("file:/dev/null")).unwrap_err();
    assert!(error.problem.contains("not a regular file"), "{error}");
}
