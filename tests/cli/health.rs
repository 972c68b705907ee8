//! `health`: what an image without a shell asks with.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Stdio},
};

use super::{Place, SECRET};

/// A running instance, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// With its address.
fn serving(place: &Place, settings: &[(&str, &str)]) -> (Running, String) {
    place.write("chats.json", "[]");
    let mut all = vec![("CHAT_SERVICE_URL", "file:chats.json"), ("BIND_ADDRESS", "127.0.0.1:0")];
    all.extend(settings);
    let mut command = place.command(&["serve"], &all);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = Running(child);
    let mut said = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim().strip_prefix("listening on http://").unwrap().to_owned();
    (running, address)
}

#[test]
fn an_instance_that_can_serve_is_healthy_until_it_ends() {
    let place = Place::new();
    let (running, address) = serving(&place, &[("AUTH_HS256_SECRET", SECRET)]);
    // No proxy of the environment stands between an instance and itself.
    let settings = [("BIND_ADDRESS", &*address), ("HTTP_PROXY", "http://127.0.0.1:9")];
    let said = place.run(&["health"], &settings);
    assert_eq!((said.status, &*said.out, &*said.err), (0, "", ""));
    let everywhere = address.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(place.run(&["health"], &[("BIND_ADDRESS", &everywhere)]).status, 0);
    drop(running);
    let said = place.run(&["health"], &settings);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("/health/ready does not answer"), "{}", said.err);
}

#[test]
fn an_instance_without_keys_is_alive_but_not_ready() {
    let place = Place::new();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let issuer = format!("http://{unused}");
    let (_running, address) =
        serving(&place, &[("AUTH_ISSUER", &issuer), ("AUTH_AUDIENCE", "shared-chats")]);
    let settings = [("BIND_ADDRESS", &*address)];
    let said = place.run(&["health"], &settings);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("/health/ready answers 503"), "{}", said.err);
    assert_eq!(place.run(&["health", "--live"], &settings).status, 0);
}

#[test]
fn an_address_that_cannot_be_asked_is_named() {
    let place = Place::new();
    for address in ["127.0.0.1:0", "somewhere"] {
        let said = place.run(&["health"], &[("BIND_ADDRESS", address)]);
        assert_eq!(said.status, 1);
        assert!(said.err.contains("BIND_ADDRESS"), "{}", said.err);
    }
}
