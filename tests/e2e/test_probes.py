"""Schemathesis asks whatever `openapi.yaml` allows, and what it does not, and compares the answers with it.

Links lead from what a create gives to everything that can be done with it. `PROBES_SEED` repeats a run, which says its
seed; `PROBES_EXAMPLES` is how many requests are made up for each operation (25): more of them for a longer run.
"""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import User, token
from chat_service import File

PROBES = Path(__file__).parent / "probes"
EXAMPLES = int(os.environ.get("PROBES_EXAMPLES", "25"))
LEAST_CASES = 700
"""Of each run; four callers on two databases make more than 5000."""
SECONDS = 600 * max(1, EXAMPLES // 25)

ASKER = User("Asker")
CALLERS = {
    "owner": lambda: ASKER.token(lasts=86400),
    "another user": lambda: User("Stranger").token(lasts=86400),
    "the chat service": lambda: token("chat-service", scope="shared_chats:service", lasts=86400),
    "anybody": lambda: None,
}


@pytest.mark.parametrize("caller", CALLERS)
def test_the_service_does_as_openapi_yaml_says(caller, start_service, own_chats, tmp_path, capsys):
    service = start_service()
    chats = shared_by_the_asker(own_chats)
    links = [service.http(ASKER).share(chats[0], **settings)["id"] for settings in SETTINGS]
    victim = User("Victim")
    kept = [service.http(victim).share(own_chats.new_chat(victim.sub), **settings) for settings in SETTINGS]

    config = tmp_path / "schemathesis.toml"
    config.write_text((PROBES / "schemathesis.toml").read_text() + known(chats, links + [link["id"] for link in kept]))
    seed = int(os.environ.get("PROBES_SEED") or random.randrange(2**32))
    report = probe(service, CALLERS[caller](), config, seed)

    cases = re.search(r"(\d+) generated", report)
    summary = f"{caller}: {cases and cases[1]} cases, PROBES_SEED={seed}"
    with capsys.disabled():
        print(f"\n{summary}", end="", flush=True)
    assert "No issues found" in report, f"{summary}\n{report}"
    assert int(cases[1]) >= LEAST_CASES, summary
    assert "panicked" not in service.log(), service.log()[-4000:]
    # Only their owner, and the chat service that deletes the chat, change links.
    assert sorted(service.http(victim).list(), key=lambda link: link["id"]) == sorted(kept, key=lambda link: link["id"])


SETTINGS = [
    {},
    {"is_private": True, "label": "for the Monday meeting"},
    {"is_frozen": False},
    {"includes_artifacts": True},
]


def shared_by_the_asker(own_chats):
    """The chat of the examples, with a file; another one; and an empty one."""
    # As `openapi.yaml` names it.
    example = own_chats.new_chat(ASKER.sub, "Why is the quarterly report slow?", id="quarterly-report")
    example.files.append(File("figures.csv", b"quarter,seconds\n1,9\n"))
    return [example, own_chats.new_chat(ASKER.sub, "É", id="a"), own_chats.new_chat(ASKER.sub, messages=False, id="0")]


def known(chats, links):
    """What there is, for requests that are to find something."""
    return f"""
[dictionaries.links]
values = {json.dumps(links)}
[dictionaries.chats]
values = {json.dumps([chat.id for chat in chats])}
[parameters]
"path.shared_chat_id" = {{ dictionary = "links", probability = 0.5 }}
"path.chat_session_id" = {{ dictionary = "chats", probability = 0.5 }}
"body.chat_session_id" = {{ dictionary = "chats", probability = 0.8 }}
"""


def probe(service, credential, config, seed):
    """Runs Schemathesis; gives back what it says."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
        *("run", f"{service.url}/openapi.json", "--no-color", "--seed", str(seed)),
        *("--max-examples", str(EXAMPLES)),
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
    ]
    if credential is not None:
        command += ["--header", f"Authorization: Bearer {credential}"]
    done = subprocess.run(
        command,
        cwd=config.parent,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(PROBES / "checks.py"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    return done.stdout
