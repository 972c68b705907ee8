//! `openapi.yaml` at the root is what the code says.

#[test]
fn the_description_in_the_repository_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let generated = shared_chats::http::openapi_yaml();
    let differs = written.lines().zip(generated.lines()).position(|(old, new)| old != new);
    assert!(
        written.trim_end() == generated.trim_end(),
        "openapi.yaml is out of date (from line {} on); renew it: \
         cargo run -q -- openapi > openapi.yaml",
        differs.unwrap_or_else(|| written.lines().count().min(generated.lines().count())) + 1,
    );
}

#[test]
fn the_description_is_small() {
    let bytes = shared_chats::http::openapi_yaml().len();
    assert!(
        bytes < 90_000,
        "openapi.yaml has {bytes} bytes: what several operations say belongs to its components"
    );
}
