"""The shell, Python and JavaScript of the README and of docs/, as it is written there."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
from playwright.sync_api import expect, sync_playwright

from browser import PATIENCE_MS
from conftest import BINARY, REPOSITORY, eventually, service_caller_token
from ports import free_port
from proxies import answers
from test_demo import Demo

API = "http://127.0.0.1:8080"
FILES = "Files: `GET /{id}/artifacts/{artifact_id}`"
# Prints the status of each response, in order, on standard error.
STATUSES = 'curl() { command curl --write-out "%{stderr}status %{http_code}\\n" "$@"; }\n'


def blocks(page, language, heading=None):
    """The blocks of a page in that language, below a heading of it or in all of it."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    if heading is not None:
        text = re.split(r"(?m)^#{2,3} (?=.)", text.split(f"# {heading}\n", 1)[1])[0]
    found = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)
    assert found, f"{page} has no {language} below {heading}"
    return found


def run(script, folder, **variables):
    """Runs it in a shell. Returns its output, and the statuses of the responses."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["bash", "-uo", "pipefail", "-c", STATUSES + script],
        env={**environment, **variables},
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
    )
    unexpected = [line for line in done.stderr.splitlines() if not re.match(r"status \d|curl: \(28\)", line)]
    assert not unexpected, done.stderr
    return done.stdout, [int(status) for status in re.findall(r"^status (\d+)$", done.stderr, re.MULTILINE)]


@pytest.fixture(scope="module")
def demo(binary, tmp_path_factory):
    demo = Demo(binary, tmp_path_factory.mktemp("demo"))
    yield demo
    demo.process.kill()
    demo.process.wait()


def as_in(demo, text):
    """What a reader puts in place of the page's own address and tokens."""
    text = text.replace(API, demo.link.split("/shared/")[0])
    for name, token in zip(("ALICE", "BOB"), demo.tokens):
        text = re.sub(rf"(?m)^{name}=eyJ0….*$", f"{name}={token}", text)
    assert "eyJ0…" not in text
    return text


def test_the_readme_makes_a_link_and_opens_it(demo, tmp_path):
    [script] = blocks("README.md", "sh", "Make a link and open it")
    output, statuses = run(as_in(demo, script), tmp_path)
    assert statuses == [201, 200]
    assert json.loads(output)["messages"]


def test_the_api_page_does_what_it_says(demo, tmp_path):
    [files] = blocks("docs/API.md", "sh", FILES)
    script = as_in(demo, "".join(blocks("docs/API.md", "sh")).replace(files, ""))
    output, statuses = run(script, tmp_path)
    # Create; one for named people, opened as Bob, without a token, paused, as Bob; list, view, 304, Markdown; change, view without a token and as Bob; delete; create again; QR codes;
    # create a live one and watch it; activity; health.
    named = [201, 200, 401, 204, 403]
    others = [200, 200, 304, 200, 204, 401, 200, 204, 404, 201, 200, 200, 201, 200, 200, 200, 200]
    expected = [201, *named, *others]
    assert statuses == expected, output
    assert "event: message\nid: m2\n" in output
    assert (tmp_path / "qr.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "qr.svg").read_text(encoding="utf-8").lstrip().startswith("<")


def test_the_published_client_works_as_the_page_says(demo, capsys):
    code = "".join(blocks("docs/INTEGRATION.md", "python", "From Python"))
    exec(as_in(demo, code), {"token": demo.tokens[0], "__name__": "page"})
    assert capsys.readouterr().out.splitlines()[-1] == "Alice"


@pytest.fixture
def with_a_file_of_chats(binary, tmp_path):
    """The beginning of a script, which starts a service as the page says."""
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "target" / "release").mkdir(parents=True)
    (tmp_path / "target" / "release" / "shared-chats").symlink_to(BINARY)
    (tmp_path / "chats.json").write_text(blocks("docs/DEPLOYMENT.md", "json", "A file of chats")[0], encoding="utf-8")
    [script] = blocks("docs/DEPLOYMENT.md", "sh", "A file of chats")
    script = script.replace("cargo build --release\n", "").replace("shared-chats &", "shared-chats >log 2>&1 &")
    return f"""export BIND_ADDRESS={address}
trap 'kill $!; wait' EXIT
{script}
API=http://{address}
until command curl -sf -o /dev/null $API/health/ready; do sleep 0.1; done
"""


def test_files_are_shared_as_the_page_says(with_a_file_of_chats, tmp_path):
    [script] = blocks("docs/API.md", "sh", FILES)
    output, statuses = run(with_a_file_of_chats + script, tmp_path)
    assert statuses == [201, 204, 200, 200, 206], output
    assert (tmp_path / "plan.csv").read_text(encoding="utf-8") == "day,km\n1,12\n2,31\n"
    assert output.endswith("day,km")


def test_a_chat_service_calls_as_the_page_says(with_a_file_of_chats, tmp_path):
    lines = "".join(blocks("docs/INTEGRATION.md", "sh", "For a chat service"))
    output, statuses = run(with_a_file_of_chats + lines, tmp_path)
    assert statuses == [201, 200, 202, 200, 200]
    assert output.endswith('{"deleted":1}{"deleted":0}')


def test_the_import_of_the_page_reports_as_it_says(binary, tmp_path):
    (tmp_path / "links.jsonl").write_text(blocks("docs/OPERATIONS.md", "json", "Legacy import")[0], encoding="utf-8")
    [session] = blocks("docs/OPERATIONS.md", "console", "Legacy import")
    command, reported = session.removeprefix("$ ").split("\n", 1)
    command = f"exec 2>&1\nshared-chats() {{ '{BINARY}' \"$@\"; }}\n{command}"
    output, _ = run(command, tmp_path)
    assert output == reported


def test_the_short_form_of_a_link_is_made_as_the_page_says(tmp_path):
    [script] = blocks("docs/AUDIT.md", "sh")
    output, _ = run(script, tmp_path)
    assert re.fullmatch("[0-9a-f]{16}\n", output)


def node(script, folder, **variables):
    """Runs a module, with the client as the page says."""
    (folder / "client.mjs").write_bytes((REPOSITORY / "clients" / "web" / "client.js").read_bytes())
    (folder / "page.mjs").write_text(script, encoding="utf-8")
    return subprocess.Popen(
        ["node", "page.mjs"],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def lines_of(process):
    """The lines that it has printed so far, as they come."""
    lines = []

    def read():
        for line in process.stdout:
            lines.append(line.rstrip("\n"))

    threading.Thread(target=read, daemon=True).start()
    return lines


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")
def test_the_example_of_the_page_follows_a_live_link(service, chats, alice, tmp_path):
    chat = chats.new_chat(alice.sub, messages=False)
    chat.say("the first one")
    link = service.http(alice).share(chat, is_frozen=False, is_private=True)
    chat_service = service.http(service_caller_token())
    [script] = blocks("docs/INTEGRATION.md", "js", "Follow a live link")
    imported = '"https://share.example/ui/client.js";'
    assert imported in script
    # What the page leaves to the reader, and a line for each thing that happens.
    script = script.replace("new Map()", "new Told()").replace(
        imported,
        """"./client.mjs";
const session = { token: async () => process.env.TOKEN };
const id = process.env.ID;
class Told extends Map {
  set(id, message) {
    console.log(`set ${message.content}`);
    return super.set(id, message);
  }
  delete(id) {
    console.log(`delete ${id}`);
    return super.delete(id);
  }
}""",
    ).replace("https://share.example", service.url)
    process = node(script, tmp_path, TOKEN=alice.token(), ID=link["id"])
    try:
        lines = lines_of(process)

        def tell_until(last):
            told = chat_service.post(f"/api/v1/chats/{chat.id}/changes")
            assert told.status_code == 202, told.text
            eventually(lambda: last in lines, 30, f"{last}: {lines}")

        eventually(lambda: "set the first one" in lines, 30, f"the view is there: {lines}")
        said = chat.say("Grüße, 世界")
        tell_until("set Grüße, 世界")
        said.content = "edited"
        tell_until("set edited")
        chat.messages.remove(said)
        tell_until(f"delete {said.id}")
        assert service.http(alice).delete(f"/api/v1/shared_chats/{link['id']}").status_code == 204
        assert process.wait(60) == 0, lines
        assert lines == ["set the first one", "set Grüße, 世界", "set edited", f"delete {said.id}"]
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")
def test_a_cursor_in_any_script_is_taken_and_a_link_that_is_gone_ends_the_watch(service, chats, alice, tmp_path):
    chat = chats.new_chat(alice.sub, messages=False)
    for number in range(3):
        chat.say(f"message {number}", id=f"nachricht-ü-{number}")
    link = service.http(alice).share(chat, is_frozen=False)
    script = f"""import {{ SharedChatsClient }} from "./client.mjs";
const onEvent = ({{ event, data }}) => console.log(`${{event}} ${{data.id ?? ""}}`);
await new SharedChatsClient({{ api: "{service.url}" }}).watch("{link['id']}", {{ after: "nachricht-ü-0", onEvent }});
"""
    process = node(script, tmp_path)
    try:
        lines = lines_of(process)
        expected = ["message nachricht-ü-1", "message nachricht-ü-2"]
        eventually(lambda: lines == expected, 30, f"the later messages: {lines}")
        assert service.http(alice).delete(f"/api/v1/shared_chats/{link['id']}").status_code == 204
        assert process.wait(60) == 0, lines
        # A link that is gone: the same end, without a stream.
        again = subprocess.run(["node", "page.mjs"], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60)
        assert (again.returncode, again.stdout) == (0, "revoked \n"), again
    finally:
        process.kill()
        process.wait()


# The empty folder of the integration page


@pytest.fixture
def folder_of_the_page(binary, tmp_path):
    """The files of sections 1 to 3 in a folder, all of it running. Gives back the address of the page."""
    files = {"index.html": ("html", "1. The script tag"), "share.js": ("js", "2. The token"), "chats.py": ("python", "3. The four answers")}
    [script] = blocks("docs/INTEGRATION.md", "sh", "3. The four answers")
    written = {name: blocks("docs/INTEGRATION.md", *where)[0] for name, where in files.items()}
    script = f"export BIND_ADDRESS=127.0.0.1:8080\nshared-chats() {{ '{BINARY}' \"$@\"; }}\n{script}"
    ports = {port: free_port() for port in ("8080", "3000", "8001")}
    for port in ports:
        assert port in script + written["chats.py"]

    # All of them at once: a port that is put in may have the digits of another.
    def at_free_ports(text):
        return re.sub("|".join(ports), lambda found: str(ports[found[0]]), text)

    script = at_free_ports(script)
    for name, text in written.items():
        (tmp_path / name).write_text(at_free_ports(text), encoding="utf-8")
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(["bash", "-euc", script], env=environment, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    eventually(lambda: all(map(answers, ports.values())) or process.poll() is not None, 60, "all three listen")
    assert process.poll() is None, (tmp_path / "log").read_text()
    yield f"http://127.0.0.1:{ports['3000']}/"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_chat_is_shared_from_an_empty_folder_as_the_page_says(folder_of_the_page):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: "Content Security Policy" in said.text and wrong.append(said.text))
        page.goto(folder_of_the_page)
        page.get_by_role("button", name="Share", exact=True).click()
        dialog = page.get_by_role("dialog")
        with page.expect_response(lambda answer: answer.request.method == "POST") as made:
            dialog.get_by_role("button", name="Share", exact=True).click()
        assert made.value.status == 201, made.value.text()
        link = made.value.json()["url"]
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="Shared chats").click()
        expect(page.get_by_role("dialog")).to_contain_text("Trip to Oslo")
        page.goto(link)
        expect(page.locator("main")).to_contain_text("long days")
        browser.close()
    assert not wrong
