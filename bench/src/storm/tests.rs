use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const SERVED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SHED: &str =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";

/// Answers every request so long after it came; without words it closes the connection.
async fn server(after: Duration, words: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    tokio::time::sleep(after).await;
                    if words.is_empty() || stream.write_all(words.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// 200 requests within a second.
async fn offered(address: SocketAddr, connections: usize) -> Value {
    let mix = ["/a", "/b"].map(|path| Request {
        method: "GET".to_owned(),
        bytes: format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes(),
    });
    let plan = Plan { address, rate: 200.0, seconds: 1, connections };
    let told = offer(plan, mix.into()).await;
    assert_eq!(told["offered"], 200);
    told
}

#[tokio::test]
async fn requests_begin_when_they_are_due_however_slow_answers_are() {
    let began = Instant::now();
    let told = offered(server(Duration::from_millis(400), SERVED).await, 1000).await;
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    assert_eq!(told["statuses"], serde_json::json!({"200": 200}), "{told}");
    assert!(told["served"]["p50_ms"].as_f64().unwrap() >= 400.0, "{told}");
    // As many as come in 400 ms.
    assert!((60..=120).contains(&told["most_open"].as_u64().unwrap()), "{told}");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let told = offered(server(Duration::ZERO, SHED).await, 1000).await;
    assert_eq!(told["shed"]["count"], 200, "{told}");
    assert_eq!(told["shed_without_retry_after"], 0, "{told}");
    assert!(told["opened"].as_u64().unwrap() < 50, "{told}");
}

#[tokio::test]
async fn the_wait_for_a_connection_counts_and_has_an_end() {
    let told = offered(server(Duration::from_millis(300), SERVED).await, 10).await;
    let (answered, not_sent) =
        (told["answered"].as_u64().unwrap(), told["not_sent"].as_u64().unwrap());
    assert_eq!(answered + not_sent, 200, "{told}");
    // Ten connections answer 33 a second; the last waits for a second and 300 ms.
    assert!((40..=100).contains(&answered) && told["most_open"] == 10, "{told}");
    let slowest = told["served"]["max_ms"].as_f64().unwrap();
    assert!((900.0..1800.0).contains(&slowest), "{told}");
}

#[tokio::test]
async fn what_breaks_is_counted() {
    let told = offered(server(Duration::ZERO, "").await, 1000).await;
    assert_eq!(told["broken"], 200, "{told}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let told = offered(nobody, 1000).await;
    assert_eq!(told["unconnected"], 200, "{told}");
    assert!(told["first_failure"].as_str().unwrap().starts_with("connecting"), "{told}");
}
