//! A chat service that is broken, slow or ill-meaning. None of it may hang, hurt or lose anything.

use std::{io::Write, sync::atomic::Ordering, time::Instant};

use super::{
    raw_server::{Answer, RawServer, chunk, chunked_head, ok, parameter, wait},
    *,
};

/// Long enough for a busy machine, and far below what any of these servers would take.
const SHORT: Duration = Duration::from_millis(300);
/// Where it must not be the time that ends a read.
const AMPLE: Duration = Duration::from_secs(20);

fn asked(server: &RawServer, timeout: Duration, max_snapshot_bytes: u64) -> ChatService {
    let settings = ChatServiceSettings { timeout, max_snapshot_bytes, ..settings(&server.url) };
    ChatService::new(settings).unwrap()
}

/// What all three reads of a chat make of such a server.
async fn all_errors(answer: Answer, timeout: Duration) -> Vec<ChatServiceError> {
    let server = RawServer::start(answer);
    let service = asked(&server, timeout, 1_000);
    let (caller, id) = (caller(), chat_id());
    vec![
        service.read(Access::Caller(&caller), &id).chat().await.unwrap_err(),
        service.read(Access::Caller(&caller), &id).messages().await.unwrap_err(),
        service.read(Access::Service, &id).files().await.unwrap_err(),
    ]
}

async fn assert_timed_out(answer: Answer) {
    let started = Instant::now();
    assert_eq!(all_errors(answer, SHORT).await, vec![ChatServiceError::TimedOut; 3]);
    assert!(started.elapsed() >= 3 * SHORT, "cut too early: {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(5), "cut too late: {:?}", started.elapsed());
}

async fn assert_bad_answer(answer: Answer) {
    for error in all_errors(answer, AMPLE).await {
        match error {
            ChatServiceError::BadAnswer(why) => assert!(!why.contains("SECRET"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

async fn assert_unreachable(answer: Answer) {
    for error in all_errors(answer, AMPLE).await {
        match error {
            ChatServiceError::Unreachable(why) => {
                assert!(!why.contains("token") && !why.contains("SECRET"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn no_listener_is_unreachable_and_says_why() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = service(&format!("http://{gone}"));
    match service.read(Access::Caller(&caller()), &chat_id()).chat().await {
        Err(ChatServiceError::Unreachable(why)) => assert!(why.contains("refused"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unreachable() {
    assert_unreachable(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"id\":\"SECRET")?;
        stream.shutdown(std::net::Shutdown::Both)
    })
    .await;
    assert_unreachable(|_, stream| {
        chunked_head(stream)?;
        chunk(b"[]", stream)?;
        stream.shutdown(std::net::Shutdown::Both)
    })
    .await;
    assert_unreachable(|_, stream| stream.shutdown(std::net::Shutdown::Both)).await;
}

#[tokio::test]
async fn no_answer_by_the_deadline_is_a_timeout() {
    assert_timed_out(|_, _| {
        wait(2_000);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_slow_body_times_out_at_the_deadline() {
    assert_timed_out(|_, stream| {
        chunked_head(stream)?;
        loop {
            chunk(b" ", stream)?;
            wait(20);
        }
    })
    .await;
}

#[tokio::test]
async fn all_reads_of_one_operation_share_its_time() {
    let server = RawServer::start(|line, stream| {
        wait(300);
        ok(if line.contains("/messages") { b"[]" } else { br#"{"id":"c-1"}"# }, stream)
    });
    let service = asked(&server, Duration::from_millis(550), 1_000);
    let (caller, id) = (caller(), chat_id());
    let reader = service.read(Access::Caller(&caller), &id);
    reader.chat().await.unwrap();
    assert_eq!(reader.messages().await.unwrap_err(), ChatServiceError::TimedOut);
    // Another operation has its own.
    assert!(service.read(Access::Caller(&caller), &id).messages().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_endless_body_is_too_large_and_is_not_read_to_its_end() {
    let server = RawServer::start(|_, stream| {
        chunked_head(stream)?;
        loop {
            chunk(&[b' '; 65_536], stream)?;
        }
    });
    let service = asked(&server, AMPLE, 1_000);
    let (caller, id) = (caller(), chat_id());
    let reader = service.read(Access::Caller(&caller), &id);
    let too_large = ChatServiceError::TooLarge { limit: 1_000 };
    assert_eq!(reader.chat().await.unwrap_err(), too_large);
    assert_eq!(reader.messages().await.unwrap_err(), too_large);
    assert_eq!(reader.has_messages().await.unwrap_err(), too_large);
    assert_eq!(reader.files().await.unwrap_err(), too_large);
}

#[tokio::test]
async fn a_body_announced_as_too_large_is_not_waited_for() {
    let server = RawServer::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")?;
        wait(2_000);
        Ok(())
    });
    let service = asked(&server, AMPLE, 1_000);
    let result = service.read(Access::Caller(&caller()), &chat_id()).messages().await;
    assert_eq!(result.unwrap_err(), ChatServiceError::TooLarge { limit: 1_000 });
}

#[tokio::test]
async fn an_endless_chat_ends_at_the_limit_of_what_is_kept() {
    let server = RawServer::start(|line, stream| {
        let offset = parameter(line, "offset");
        ok(messages_json(offset, offset + 10).as_bytes(), stream)
    });
    let service = asked(&server, AMPLE, 10_000);
    let result = service.read(Access::Caller(&caller()), &chat_id()).messages().await;
    assert_eq!(result.unwrap_err(), ChatServiceError::TooLarge { limit: 10_000 });
    let requests = server.requests.load(Ordering::SeqCst);
    // A message is about 100 bytes: the 11th page at the latest goes beyond. Between two pages the
    // end of the first is asked for once more.
    assert!((9..=29).contains(&requests), "{requests}");
}

#[tokio::test]
async fn ignored_fields_count_against_the_bytes_of_all_pages_together() {
    let server = RawServer::start(|line, stream| {
        let n = parameter(line, "offset");
        let padding = "x".repeat(300_000);
        let body = format!(
            r#"[{{"id":"m{n}","content":"","created_at":"2026-01-01T00:00:00Z","new":"{padding}"}}]"#
        );
        ok(body.as_bytes(), stream)
    });
    let service = asked(&server, AMPLE, 1_000);
    let result = service.read(Access::Caller(&caller()), &chat_id()).messages().await;
    assert_eq!(result.unwrap_err(), ChatServiceError::TooLarge { limit: 1_000 });
    // Between two pages the end of the first is asked for once more, but the fourth is too much.
    assert_eq!(server.requests.load(Ordering::SeqCst), 4 + 2, "each of them fits alone");
}

#[tokio::test]
async fn the_limit_is_what_the_messages_take_as_json() {
    let page = messages_json(0, 2);
    let kept: Vec<wire::WireMessage> = wire::parse(&page).unwrap();
    let size: usize =
        kept.iter().map(|message| serde_json::to_string(&message.0).unwrap().len() + 1).sum();
    let server = RawServer::start(|line, stream| {
        let offset = parameter(line, "offset");
        ok(messages_json(offset, 2.max(offset)).as_bytes(), stream)
    });
    let (id, caller) = (chat_id(), caller());
    let fits = asked(&server, Duration::from_secs(5), size as u64);
    assert_eq!(fits.read(Access::Caller(&caller), &id).messages().await.unwrap().len(), 2);
    let limit = size as u64 - 1;
    let beyond = asked(&server, Duration::from_secs(5), limit);
    let result = beyond.read(Access::Caller(&caller), &id).messages().await;
    assert_eq!(result.unwrap_err(), ChatServiceError::TooLarge { limit });
}

#[tokio::test]
async fn what_is_no_json_is_a_bad_answer() {
    assert_bad_answer(|_, stream| ok(b"<html>SECRET</html>", stream)).await;
    assert_bad_answer(|_, stream| ok(b"", stream)).await;
    assert_bad_answer(|_, stream| ok(b"[{\"id\":\"SECRET\"", stream)).await;
    assert_bad_answer(|_, stream| ok(b"\"SECRET\"", stream)).await;
    assert_bad_answer(|_, stream| ok(b"null", stream)).await;
    assert_bad_answer(|_, stream| ok(b"[] []", stream)).await;
}

#[tokio::test]
async fn invalid_utf8_is_a_bad_answer_even_in_ignored_fields() {
    const PAGE: &[u8] =
        b"[{\"id\":\"m\",\"content\":\"a\xffb\",\"created_at\":\"2026-01-01T00:00:00Z\"}]";
    const UNKNOWN: &[u8] = b"{\"id\":\"c-1\",\"new\":\"\xed\xa0\x80\"}";
    assert_bad_answer(|_, stream| ok(b"[\"\xff\"]", stream)).await;
    for error in all_errors(
        |line, stream| ok(if line.contains("/chats/c-1 ") { UNKNOWN } else { PAGE }, stream),
        AMPLE,
    )
    .await
    {
        let ChatServiceError::BadAnswer(why) = error else { panic!("{error:?}") };
        assert!(why.contains("UTF-8"), "{why}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    for error in all_errors(
        |_, stream| {
            stream.write_all(b"SSH-2.0-OpenSSH_9.9 SECRET\r\n\r\n")?;
            stream.shutdown(std::net::Shutdown::Both)
        },
        AMPLE,
    )
    .await
    {
        assert!(matches!(&error, ChatServiceError::Unreachable(_)), "{error:?}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
