//! The end at SIGTERM, as a proxy in front sees it.

use std::{
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    Place,
    served::{Served, ask, exchange},
};

const LIVE: &str = "GET /health/live HTTP/1.1";
const READY: &str = "GET /health/ready HTTP/1.1";

fn start(settings: &[(&str, &str)]) -> (Place, Served) {
    let place = Place::new();
    place.write("chats.json", "[]");
    let mut all = vec![("CHAT_SERVICE_URL", "file:chats.json"), ("SHUTDOWN_TIMEOUT", "15s")];
    all.extend(settings);
    let served = Served::start(&place, &all);
    (place, served)
}

#[test]
fn during_shutdown_delay_an_instance_is_not_ready_and_still_serves() {
    let (_place, mut served) = start(&[("SHUTDOWN_DELAY", "3s")]);
    let mut kept = TcpStream::connect(served.main).unwrap();
    let (status, head, _) = exchange(&mut kept, READY, "");
    assert_eq!(status, 200);
    assert!(!head.contains("connection: close"), "{head}");
    served.told_to_stop();
    // The signal has arrived.
    let until = Instant::now() + Duration::from_secs(2);
    while ask(served.main, READY, "").0 == 200 {
        assert!(Instant::now() < until, "it is still ready");
        sleep(Duration::from_millis(20));
    }
    for address in [served.main, served.management] {
        let (status, head, body) = ask(address, READY, "");
        assert_eq!(status, 503, "{body}");
        assert!(head.contains("retry-after"), "{head}");
        assert_eq!(ask(address, LIVE, "").0, 200);
    }
    // A connection that a proxy keeps is not used again, so none of its requests meets the end.
    let (status, head, _) = exchange(&mut kept, LIVE, "");
    assert_eq!(status, 200);
    assert!(head.contains("connection: close"), "{head}");
    assert!(served.ended_within(Duration::from_secs(10)).success());
    assert!(TcpStream::connect(served.main).is_err());
    assert!(TcpStream::connect(served.management).is_err());
}

#[test]
fn without_a_delay_it_ends_at_once_though_a_connection_is_idle() {
    let (_place, mut served) = start(&[]);
    let mut kept = TcpStream::connect(served.main).unwrap();
    assert_eq!(exchange(&mut kept, LIVE, "").0, 200);
    served.told_to_stop();
    assert!(served.ended_within(Duration::from_secs(8)).success());
}
