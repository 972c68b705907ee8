//! `shared-chats reconcile`.

use serde_json::json;

use crate::{Place, counts, line};

#[test]
fn reconciling_removes_the_links_of_gone_chats_and_says_how_many() {
    let place = Place::new();
    let links = [("token-one", "a"), ("token-two", "b"), ("token-three", "b")];
    let file: String =
        links.iter().map(|(token, chat)| format!("{}\n", line(token, chat))).collect();
    place.write("links.jsonl", &file);
    assert_eq!(place.import("links.jsonl").out, counts([3, 0, 0, 0, 0]));
    let settings = [("CHAT_SERVICE_URL", "file:chats.json")];
    let chat = |id: &str| json!({"id": id, "owner": "alice", "messages": []});

    // None of them is known: refused.
    place.write("chats.json", json!([chat("c")]).to_string());
    let said = place.run(&["reconcile"], &settings);
    let none = "asked: 2\nthere: 0\ngone: 2\nlinks removed: 0\nunclear: 0\n";
    assert_eq!((said.status, said.out.as_str()), (1, none));
    assert!(said.err.contains("knows none of the chats"), "{}", said.err);

    place.write("chats.json", json!([chat("a")]).to_string());
    let strict = [settings[0], ("RECONCILE_MAX_GONE", "10%")];
    let said = place.run(&["reconcile"], &strict);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("RECONCILE_MAX_GONE"), "{}", said.err);

    // The option goes before the setting.
    let said = place.run(&["reconcile", "--max-gone", "10%"], &settings);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("RECONCILE_MAX_GONE"), "{}", said.err);
    let said = place.run(&["reconcile", "--max-gone", "0%"], &settings);
    assert_eq!(said.status, 2, "{}", said.err);

    let said = place.run(&["reconcile", "--max-gone=50%"], &strict);
    let one = "asked: 2\nthere: 1\ngone: 1\nlinks removed: 2\nunclear: 0\n";
    assert_eq!((said.status, said.out.as_str(), said.err.as_str()), (0, one, ""));
    // Its tombstone stands.
    let said = place.import("links.jsonl");
    assert_eq!((said.status, said.out), (0, counts([0, 1, 0, 2, 0])));
    let reported = "line 2: not imported, its chat was deleted\n\
                    line 3: not imported, its chat was deleted\n";
    assert_eq!(said.err, reported);
}

#[test]
fn reconciling_without_an_answer_ends_with_status_1() {
    let place = Place::new();
    place.write("links.jsonl", line("token-one", "a").to_string());
    place.import("links.jsonl");
    let url = [("CHAT_SERVICE_URL", "http://127.0.0.1:1")];
    let said = place.run(&["reconcile"], &url);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(said.err.contains("CHAT_SERVICE_TOKEN"), "{}", said.err);
    let said = place.run(&["reconcile"], &[url[0], ("CHAT_SERVICE_TOKEN", "abc")]);
    let unclear = "asked: 1\nthere: 0\ngone: 0\nlinks removed: 0\nunclear: 1\n";
    assert_eq!((said.status, said.out.as_str()), (1, unclear));
    let said = place.run(&["reconcile"], &[]);
    assert!(said.err.contains("CHAT_SERVICE_URL"), "{}", said.err);
}
