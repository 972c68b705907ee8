//! The bytes of files: whom is asked for them, where, and how long.

use std::fs;

use futures_util::TryStreamExt;
use tempfile::TempDir;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path},
};

use super::{raw_server::RawServer, *};

async fn read(content: FileContent) -> Result<Vec<u8>, ChatServiceError> {
    content.bytes.try_collect::<Vec<_>>().await.map(|chunks| chunks.concat())
}

#[tokio::test]
async fn a_file_is_asked_for_at_the_path_that_is_set_its_id_as_one_segment() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/base/files/c-1/a%2F..%2Fb%3F%25"))
        .and(header("Authorization", "Bearer services.own.token"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(b"bytes"))
        .expect(1)
        .mount(&server)
        .await;
    let mut settings = settings(&format!("{}/base", server.uri()));
    settings.file_path = "/files/{id}/{file_id}".parse().unwrap();
    let service = ChatService::new(settings).unwrap();
    let id = chat_id();
    let reader = service.read(Access::Service, &id);
    let content = reader.file("a/../b?%", Pace::ByDeadline).await.unwrap();
    assert_eq!(content.announced, Some(5));
    assert_eq!(read(content).await.unwrap(), b"bytes");
    for dots in [".", ".."] {
        let refused = reader.file(dots, Pace::ByDeadline).await.err();
        assert_eq!(refused, Some(ChatServiceError::NotFound), "{dots}");
    }
}

/// Sends six times so many bytes, with 100 ms after each.
fn in_pieces<const BYTES: usize>() -> RawServer {
    RawServer::start(|_, stream| {
        raw_server::chunked_head(stream)?;
        for _ in 0..6 {
            raw_server::chunk(&[b'x'; BYTES], stream)?;
            raw_server::wait(100);
        }
        std::io::Write::write_all(stream, b"0\r\n\r\n")
    })
}

async fn read_in_400_ms(server: &RawServer, pace: Pace) -> Result<Vec<u8>, ChatServiceError> {
    let mut settings = settings(&server.url);
    settings.timeout = Duration::from_millis(400);
    let service = ChatService::new(settings).unwrap();
    let id = chat_id();
    read(service.read(Access::Service, &id).file("f1", pace).await.unwrap()).await
}

#[tokio::test]
async fn a_copy_has_until_the_deadline_and_a_reader_has_that_long_for_each_chunk() {
    let server = in_pieces::<1024>();
    assert_eq!(read_in_400_ms(&server, Pace::ByDeadline).await, Err(ChatServiceError::TimedOut));
    assert_eq!(read_in_400_ms(&server, Pace::AsRead).await.unwrap(), [b'x'; 6 * 1024]);
}

#[tokio::test]
async fn a_slow_source_times_out() {
    let server = in_pieces::<1>();
    assert_eq!(read_in_400_ms(&server, Pace::AsRead).await, Err(ChatServiceError::TimedOut));
}

struct Folder(TempDir);

impl Folder {
    fn service(&self, artifact: &str) -> Result<ChatService, InvalidSettings> {
        let chats = format!(
            r#"[{{"id":"c-1","owner":"alice","messages":[],"artifacts":
                [{{"id":"f1","filename":"x","bytes":3,"created_at":1,{artifact}}}]}}]"#
        );
        let path = self.0.path().join("inner/chats.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, chats).unwrap();
        ChatService::new(settings(&format!("file:{}", path.display())))
    }
}

async fn from_file(service: &ChatService) -> Result<Vec<u8>, ChatServiceError> {
    let (caller, id) = (caller(), chat_id());
    read(service.read(Access::Caller(&caller), &id).file("f1", Pace::ByDeadline).await?).await
}

#[tokio::test]
async fn a_file_of_chats_holds_an_artifact_or_names_it() {
    let folder = Folder(TempDir::new().unwrap());
    let inline = folder.service(r#""text":"é\n""#).unwrap();
    assert_eq!(from_file(&inline).await.unwrap(), "é\n".as_bytes());
    let named = folder.service(r#""path":"files/a.bin""#).unwrap();
    assert_eq!(from_file(&named).await, Err(ChatServiceError::NotFound));
    fs::create_dir(folder.0.path().join("inner/files")).unwrap();
    fs::write(folder.0.path().join("inner/files/a.bin"), vec![7; 200_000]).unwrap();
    assert_eq!(from_file(&named).await.unwrap(), vec![7; 200_000]);
    let neither = folder.service(r#""more":1"#).unwrap();
    assert_eq!(from_file(&neither).await, Err(ChatServiceError::NotFound));
    let bob = caller_with(CredentialScheme::Bearer, "bob");
    let id = chat_id();
    let refused = named.read(Access::Caller(&bob), &id).file("f1", Pace::ByDeadline).await.err();
    assert_eq!(refused, Some(ChatServiceError::Forbidden));
}

#[tokio::test]
async fn an_artifacts_path_does_not_leave_the_folder() {
    let folder = Folder(TempDir::new().unwrap());
    fs::write(folder.0.path().join("secret"), "abc").unwrap();
    for path in ["../secret", "/etc/passwd", "a/../../secret", "./x", ""] {
        let made = folder.service(&format!(r#""path":"{path}""#));
        // The empty path is the folder itself, which is no file.
        assert!(made.is_err() || from_file(&made.unwrap()).await.is_err(), "{path}");
    }
    assert!(folder.service(r#""path":"x","text":"y""#).is_err());
    let linked = folder.service(r#""path":"link""#).unwrap();
    std::os::unix::fs::symlink("../secret", folder.0.path().join("inner/link")).unwrap();
    assert!(matches!(from_file(&linked).await, Err(ChatServiceError::Unreachable(_))));
}
