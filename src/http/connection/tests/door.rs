//! Requests that are refused at the door, and those that must not be.

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const PATCH: &[u8] = b"PATCH / HTTP/1.1\r\nHost: x\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test(start_paused = true)]
async fn in_haste_a_request_is_refused_at_the_door_and_the_connection_stays() {
    let mut driven = Driven::in_haste();
    for request in [GET, PATCH, GET] {
        assert!(driven.comes(request).await);
        is_json(driven.got(), "503", "unavailable");
        assert!(driven.got().contains("retry-after: 5\r\n"), "{}", driven.got());
        assert!(!driven.got().contains("connection:"), "{}", driven.got());
        driven.connection.stream.got.clear();
        after(60).await;
    }
    assert_eq!(driven.passed_on, b"");
    // It is idle, not one whose first head does not come, and is closed as such.
    assert!(driven.connection.timer.is_some());
    after(14).await;
    assert!(driven.wake().await);
    after(1).await;
    assert!(!driven.wake().await);
    assert_eq!(driven.got(), "");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_begins_behind_a_refused_request_has_its_own_time() {
    let mut driven = Driven::in_haste();
    driven.connection.stream.sends.push_back(GET);
    assert!(driven.comes(b"GET / HT").await);
    after(9).await;
    assert!(driven.wake().await);
    driven.connection.stream.got.clear();
    after(1).await;
    assert!(!driven.wake().await);
    is_json(driven.got(), "408", "request_timeout");

    // Also one that begins when the time of an idle connection is about to end.
    let mut driven = Driven::in_haste();
    assert!(driven.comes(GET).await);
    after(74).await;
    assert!(driven.comes(b"GET / HT").await);
    after(9).await;
    assert!(driven.wake().await);
    after(1).await;
    assert!(!driven.wake().await);
}

#[tokio::test(start_paused = true)]
async fn what_the_framework_throws_away_is_not_refused() {
    let mut driven = Driven::new();
    driven.exchange(PATCH).await;
    driven.hurry();
    // It lingers: it flushes before it reads.
    assert!(driven.flush().await);
    assert!(driven.comes(GET).await);
    assert_eq!(driven.got(), "");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_at_the_door_says_what_other_answers_say() {
    let mut driven = Driven::in_haste();
    assert!(driven.comes(b"HEAD / HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine-1\r\n\r\n").await);
    let (head, body) = driven.got().split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "");
    for line in [
        "x-request-id: mine-1",
        "content-type: application/json",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'",
    ] {
        assert!(head.contains(&format!("\r\n{line}")), "{line} is not in {head}");
    }
    assert!(!head.contains("content-length: 0"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn probes_and_pages_of_other_origins_are_the_frameworks_in_haste_too() {
    for request in [
        &b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /<> HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ] {
        let mut driven = Driven::in_haste();
        assert!(driven.comes(request).await);
        assert_eq!((driven.passed_on.as_slice(), driven.got()), (request, ""));
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_in_pieces_or_with_others_is_not_taken_for_a_request() {
    let two = [GET, GET].concat().leak();
    for pieces in [&[&b"GET / HT"[..], b"TP/1.1\r\nHost: x\r\n\r\n", GET][..], &[two, GET]] {
        let mut driven = Driven::in_haste();
        for piece in pieces {
            assert!(driven.comes(piece).await);
            // Whatever was a request is answered, and it is for the framework to say what that was.
            drop(driven.begin());
            assert!(driven.flush().await);
        }
        assert_eq!(driven.got(), "");
        assert_eq!(driven.passed_on, pieces.concat());
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_refused_before_those_who_came_first_have_their_answers() {
    // The first one is not begun yet; it is under way; it is answered, and the answer not sent.
    for step in 0..3 {
        let mut driven = Driven::new();
        assert!(driven.comes(GET).await);
        driven.hurry();
        let under_way = (step > 0).then(|| driven.begin());
        let under_way = under_way.filter(|_| step < 2);
        driven.connection.stream.sends.push_back(PATCH);
        driven.read().await;
        assert_eq!(driven.passed_on, [GET, PATCH].concat(), "at step {step}");
        assert_eq!(driven.got(), "");
        drop(under_way);
    }
    let mut driven = Driven::new();
    driven.exchange(GET).await;
    driven.hurry();
    assert!(driven.comes(PATCH).await);
    is_json(driven.got(), "503", "unavailable");
    assert_eq!(driven.passed_on, GET);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_taken_slowly_comes_whole_before_the_next_one() {
    let mut driven = Driven::in_haste();
    driven.connection.stream.takes = Some(7);
    driven.connection.stream.sends.extend([GET, GET]);
    for _ in 0..1000 {
        assert!(driven.wake().await);
    }
    assert_eq!(driven.got().matches("HTTP/1.1 503").count(), 2);
    let second = driven.got().rfind("HTTP/1.1 503").unwrap();
    is_json(&driven.got()[..second], "503", "unavailable");
    is_json(&driven.got()[second..], "503", "unavailable");
}
