"""What Prometheus reads: the text by the Prometheus project's own parser, before and after views."""

import re

import requests
from prometheus_client.parser import text_string_to_metric_families

from conftest import eventually


def scrape(metrics):
    answer = requests.get(metrics, timeout=60)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def test_views_are_counted_and_their_link_is_not_named(start_service, own_chats, alice):
    service = start_service(MANAGEMENT_ADDRESS="127.0.0.1:0")
    printed = lambda: re.search(r"metrics on (\S+)", "".join(service.output))
    eventually(printed, 30, "the management address was printed")
    metrics = printed()[1]
    before = scrape(metrics)
    assert before["shared_chats_views"].type == "counter"
    assert {sample.value for sample in before["shared_chats_views"].samples} == {0}
    chat = own_chats.new_chat(alice.sub)
    link = service.http(alice).share(chat)
    for _ in range(3):
        assert service.http().view(link).status_code == 200
    families = scrape(metrics)
    view = {"route": "/api/v1/shared_chats/{id}", "method": "GET", "status": "200"}
    counted = families["shared_chats_http_requests"].samples
    assert [sample.value for sample in counted if sample.labels == view] == [3]
    assert families["shared_chats_http_request_duration_seconds"].type == "histogram"
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6
    text = requests.get(metrics, timeout=60).text
    link_id = link if isinstance(link, str) else link["id"]
    assert link_id not in text and chat.id not in text and alice.sub not in text
    assert requests.get(f"{service.url}/metrics", timeout=60).status_code == 404
