"""clients/web/client.js: its types, and what it does in Chromium, in a page of another origin, with the real service."""

import json
import re
import shlex
import subprocess
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from browser import browser
from chat_service import File
from conftest import REPOSITORY, eventually, link_path, service_caller_token
from faults.tcp_proxy import TcpProxy

WEB = REPOSITORY / "clients" / "web"
NOT_IN_THE_DESCRIPTION = {"constructor", "watch"}
SECONDS = 60


# Types


@pytest.fixture(scope="module")
def tools():
    folder = WEB / "node_modules" / ".bin"
    assert (folder / "tsc").exists(), "the tools are missing: npm ci --prefix clients/web"
    return folder


def run(command, folder=WEB):
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=300)


def test_the_generated_types_are_those_of_the_description(tools, tmp_path):
    script = json.loads((WEB / "package.json").read_text())["scripts"]["types"]
    program, *arguments = shlex.split(script.replace("openapi.d.ts", str(tmp_path / "openapi.d.ts")))
    made = run([tools / program, *arguments])
    assert made.returncode == 0, made.stdout + made.stderr
    is_same = (tmp_path / "openapi.d.ts").read_text() == (WEB / "openapi.d.ts").read_text()
    assert is_same, "openapi.d.ts is out of date: npm run --prefix clients/web types"


def test_the_sample_passes_strict_type_checks(tools):
    checked = run([tools / "tsc", "--project", "sample"])
    assert checked.returncode == 0, checked.stdout


def test_a_call_that_does_not_fit_fails_the_type_checks(tools, tmp_path):
    sample = tmp_path / "sample"
    sample.mkdir()
    (sample / "tsconfig.json").write_text((WEB / "sample" / "tsconfig.json").read_text())
    for name in ("client.d.ts", "openapi.d.ts", "package.json"):
        (tmp_path / name).write_text((WEB / name).read_text())
    (sample / "calls.ts").write_text(
        'import { SharedChatsClient } from "../client.js";\n'
        'const client = new SharedChatsClient({ api: "https://share.example" });\n'
        'void client.shareChatSession({ chat_session_id: 7 });\n'
    )
    checked = run([tools / "tsc", "--project", sample])
    assert checked.returncode != 0 and "calls.ts(3,32)" in checked.stdout, checked.stdout


def test_every_operation_has_a_method_that_the_sample_uses():
    paths = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    operations = {operation["operationId"] for path in paths.values() for operation in path.values()}
    expected = {re.sub("_(.)", lambda found: found[1].upper(), name) for name in operations}
    listed = run(
        ["node", "--input-type=module", "-e", f"""
import {{ SharedChatsClient }} from {json.dumps((WEB / "client.js").as_uri())};
console.log(JSON.stringify(Object.getOwnPropertyNames(SharedChatsClient.prototype)));"""]
    )
    assert listed.returncode == 0, listed.stderr
    assert set(json.loads(listed.stdout)) - NOT_IN_THE_DESCRIPTION == expected
    used = re.findall(r"\bclient\.(\w+)\(", (WEB / "sample" / "calls.ts").read_text(encoding="utf-8"))
    assert set(used) - NOT_IN_THE_DESCRIPTION == expected


# Behaviour


class Host:
    """A page of another origin, with the policy that docs/INTEGRATION.md lists."""

    def __init__(self):
        outer = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self):
                kind, body = outer.files.get(self.path, ("text/plain", ""))
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Security-Policy", outer.policy)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                """Not on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.policy, self.files = "default-src 'none'", {}
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def integrates(self, api):
        self.policy = f"default-src 'none'; script-src 'self' {api}; connect-src {api}; img-src {api}"
        self.files = {
            "/": ("text/html", '<!doctype html><title>Host</title><script type="module" src="/host.js"></script>'),
            "/host.js": (
                "text/javascript",
                f'import {{ ApiError, SharedChatsClient }} from "{api}/ui/client.js";\n'
                "Object.assign(globalThis, { ApiError, SharedChatsClient });\n",
            ),
        }

    def close(self):
        self._server.shutdown()
        self._server.server_close()


START = """([api, tokens]) => {
  // What a host page keeps: a token until it is told that it was refused.
  globalThis.asked = [];
  const token = async ({ refresh }) => {
    asked.push(refresh ? "refresh" : "token");
    if (refresh && tokens.length > 1) tokens.shift();
    return tokens[0];
  };
  globalThis.client = new SharedChatsClient({ api, token: tokens.length ? token : undefined });
}"""
CALL = """async (given) => {
  try {
    return { value: await (%s) };
  } catch (error) {
    if (!(error instanceof ApiError)) return { thrown: `${error.name}: ${error.message}` };
    const { status, error_type, request_id, retry_after, message } = error;
    return { error: { status, error_type, request_id, retry_after, message } };
  }
}"""
WATCH = """([id, after]) => {
  globalThis.told = [];
  globalThis.stop = new AbortController();
  globalThis.ended = null;
  const onEvent = ({ event, data }) => told.push([event, data.content ?? data.name ?? data.id ?? ""]);
  client.watch(id, { onEvent, after, signal: stop.signal }).then(
    () => (globalThis.ended = "ended"),
    (error) => (globalThis.ended = `${error.name} ${error.status}`),
  );
}"""


class Frontend:
    """A tab with the host page, and a client in it. What it asks for goes through a wire that can be cut."""

    def __init__(self, service, wire, page):
        self.service, self.wire, self.page = service, wire, page
        self.api = f"http://127.0.0.1:{wire.port}"
        self.asked, self.open_streams = [], 0
        page.on("request", lambda request: self.asked.append((request.method, request.url)))
        page.on("response", self._answered)

    def _answered(self, response):
        self.open_streams += "/events" in response.url and response.status == 200

    def begin(self, *tokens):
        self.page.evaluate(START, [self.api, list(tokens)])
        self.asked.clear()

    def attempt(self, expression, given=None):
        return self.page.evaluate(CALL % expression, given)

    def call(self, expression, given=None):
        done = self.attempt(expression, given)
        assert "value" in done or not done, done
        return done.get("value")

    def fails(self, expression, given=None):
        done = self.attempt(expression, given)
        assert "error" in done, done
        return done["error"]

    def tokens_asked(self):
        return self.page.evaluate("asked")

    def watch(self, link, after=None):
        self.page.evaluate(WATCH, [link["id"], after])
        self.until(lambda _: self.open_streams or self.ended(), "the stream is open")

    def streams(self):
        """The addresses of the event streams that were asked for."""
        return [url for method, url in self.asked if "/events" in url]

    def told(self):
        return [tuple(event) for event in self.page.evaluate("told")]

    def ended(self):
        return self.page.evaluate("ended")

    def until(self, condition, what):
        """`condition` on what was told. The page's own events go on meanwhile."""

        def holds():
            self.page.wait_for_timeout(20)
            return condition(self.told())

        try:
            eventually(holds, SECONDS, what)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.told()}, {self.ended()}, {self.asked}") from None

    def until_told(self, *event):
        self.until(lambda told: event in told, f"{event} was told")

    def until_ended(self):
        self.until(lambda _: self.ended(), "it ended")


@pytest.fixture
def frontend(start_service, browser):
    """Starts a service and a tab of a page that uses it."""
    host = Host()
    wires, contexts, wrong = [], [], []

    def start(**settings):
        service = start_service(CORS_ALLOWED_ORIGINS=host.url, **settings)
        wire = TcpProxy(int(service.url.rsplit(":", 1)[1]))
        wires.append(wire)
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.on("pageerror", lambda error: wrong.append(f"uncaught: {error}"))
        page.on("console", lambda said: "Content Security Policy" in said.text and wrong.append(said.text))
        made = Frontend(service, wire, page)
        host.integrates(made.api)
        page.goto(host.url)
        page.wait_for_function("Boolean(globalThis.SharedChatsClient)")
        return made

    yield start
    for context in contexts:
        context.close()
    for wire in wires:
        wire.close()
    host.close()
    assert not wrong


def test_an_owner_makes_lists_changes_and_deletes_links(frontend, own_chats, alice, tmp_path):
    tab = frontend(ARTIFACT_STORE_URL=f"file:{tmp_path / 'files'}")
    tab.begin(alice.token())
    chat = own_chats.new_chat(alice.sub, name="Bericht & Ärger")
    chat.files.append(File("plan.csv", b"day,km\n1,12\n"))
    link = tab.call(
        'client.shareChatSession({ chat_session_id: given, includes_artifacts: true, label: "für Bob" }, { idempotencyKey: "k" })',
        chat.id,
    )
    assert link["name"] == "Bericht & Ärger" and link["label"] == "für Bob"
    assert tab.call('client.shareChatSession({ chat_session_id: given, includes_artifacts: true, label: "für Bob" }, { idempotencyKey: "k" })', chat.id)["id"] == link["id"]

    view = tab.call("client.getSharedChat(given)", link["id"])
    assert len(view["data"]["messages"]) == len(chat.messages) and view["etag"].startswith('"')
    again = tab.call("client.getSharedChat(given[0], { ifNoneMatch: given[1] })", [link["id"], view["etag"]])
    assert again == {"data": None, "etag": view["etag"]}
    assert tab.call("client.updateSharedChat(given[0], { is_private: true }, { ifMatch: given[1] })", [link["id"], view["etag"]]) is None
    error = tab.fails("client.updateSharedChat(given[0], { label: null }, { ifMatch: given[1] })", [link["id"], view["etag"]])
    assert (error["status"], error["error_type"]) == (412, "precondition_failed")

    [file] = view["data"]["artifacts"]
    part = "client.getSharedChatArtifact(given[0], given[1], { range: 'bytes=0-5' }).then(async (r) => [r.status, await r.text()])"
    assert tab.call(part, [link["id"], file["id"]]) == [206, "day,km"]
    code = "client.getQrCode(given, { format: 'svg', size: 240 }).then(async (blob) => [blob.type, await blob.text()])"
    kind, svg = tab.call(code, link["id"])
    assert kind == "image/svg+xml" and svg.lstrip().startswith("<")
    activity = tab.call("client.getSharedChatActivity(given)", link["id"])
    assert [change["action"] for change in activity["changes"]] == ["create", "change"]

    more = [tab.call("client.shareChatSession({ chat_session_id: given })", chat.id)["id"] for _ in range(2)]
    page = tab.call("client.listSharedChats({ sort: 'created_at', limit: 2 })")
    assert [row["id"] for row in page["rows"]] == [link["id"], more[0]] and page["total"] == 3
    last = tab.call("client.listSharedChats(given)", page["next"])
    assert [row["id"] for row in last["rows"]] == [more[1]] and last["next"] is None
    assert tab.call("client.listSharedChats({ filter_type: 'private' })")["total"] == 1

    assert tab.call("client.deleteSharedChats(given)", more) is None
    assert tab.call("client.deleteSharedChat(given)", link["id"]) is None
    assert tab.call("client.listSharedChats()") == {"rows": [], "total": 0, "next": None}


def test_the_chat_service_and_administrators_have_their_calls(frontend, own_chats, alice, bob):
    tab = frontend()
    chat = own_chats.new_chat(alice.sub)
    tab.begin(service_caller_token())
    link = tab.call("client.shareChatSession({ chat_session_id: given[0], owner: { id: given[1] } })", [chat.id, alice.sub])
    [row] = tab.call("client.listSharedChatsOfChat(given)", chat.id)
    assert (row["id"], row["owner_id"]) == (link["id"], alice.sub)
    assert tab.call("client.chatChanged(given)", chat.id) is None
    assert tab.call("client.deleteSharedChatsOfOwner(given[0], given[1])", [chat.id, bob.sub]) == {"deleted": 0}
    assert tab.call("client.deleteSharedChatsOfUser(given)", "auth0|7/ä") == {"deleted": 0}

    tab.begin(bob.token(scope="shared_chats:admin"))
    rows = tab.call("client.listAllSharedChats({ owner_id: given })", alice.sub)
    assert [row["id"] for row in rows["rows"]] == [link["id"]] and rows["next"] is None
    policy = tab.call("client.getPolicy()")
    narrow = {**policy["data"], "widest_audience": "signed_in"}
    set_to = tab.call("client.setPolicy(given[0], { ifMatch: given[1] })", [narrow, policy["etag"]])
    assert set_to["data"] == narrow and set_to["etag"] != policy["etag"]
    assert tab.fails("client.setPolicy(given[0], { ifMatch: given[1] })", [narrow, policy["etag"]])["status"] == 412
    tab.call("client.takeDownSharedChats([given])", link["id"])
    assert tab.call("client.eraseUser(given)", alice.sub) == {"deleted": 0}

    tab.begin(service_caller_token())
    assert tab.call("client.deleteSharedChatsOfChat(given)", chat.id) == {"deleted": 0}


def test_pages_of_all_links_follow_each_other(frontend, own_chats, alice, bob):
    tab = frontend()
    chat = own_chats.new_chat(alice.sub)
    made = sorted(tab.service.http(alice).share(chat)["id"] for _ in range(3))
    tab.begin(bob.token(scope="shared_chats:admin"))
    first = tab.call("client.listAllSharedChats({ limit: 2 })")
    second = tab.call("client.listAllSharedChats(given)", first["next"])
    assert [row["id"] for row in first["rows"] + second["rows"]] == made and second["next"] is None


def test_what_needs_no_token_sends_none(frontend, own_chats, alice):
    tab = frontend()
    link = tab.service.http(alice).share(own_chats.new_chat(alice.sub))
    tab.begin("not a token")
    assert tab.call("client.live()") == {"status": "ok"} == tab.call("client.ready()")
    assert tab.call("client.openapiJson()")["openapi"].startswith("3.1")
    assert tab.call("client.openapiYaml()").startswith("openapi: 3.1")
    assert tab.call("client.getQrCode(given).then((blob) => blob.type)", link["id"]) == "image/png"
    assert tab.tokens_asked() == []


def test_the_page_of_a_link_is_read_as_a_tool_reads_it(frontend, own_chats, alice):
    tab = frontend()
    link = tab.service.http(alice).share(own_chats.new_chat(alice.sub, name="A name"))
    tab.begin()
    assert "<title>A name" in tab.call("client.openLink(given)", link["id"])["data"]
    seen = tab.call("client.openLink(given, { accept: 'application/json' })", link["id"])
    assert json.loads(seen["data"])["name"] == "A name"


def test_an_error_has_its_status_type_and_request(frontend, own_chats, alice, bob):
    tab = frontend(RATE_LIMIT_CALLER="6/1h")
    link = tab.service.http(alice).share(own_chats.new_chat(alice.sub))
    tab.begin(bob.token())
    error = tab.fails("client.updateSharedChat(given, { is_private: true })", link["id"])
    assert (error["status"], error["error_type"], error["retry_after"]) == (403, "forbidden", None)
    assert error["message"]
    eventually(lambda: f'"{error["request_id"]}"' in tab.service.log(), SECONDS, "the request is in the log")
    error = tab.fails("client.updateSharedChat(given, { is_privat: true })", link["id"])
    assert (error["status"], error["error_type"]) == (400, "bad_request") and "is_privat" in error["message"]
    errors = [tab.fails("client.deleteSharedChat(given)", link["id"]) for _ in range(6)]
    assert (errors[-1]["status"], errors[-1]["error_type"]) == (429, "rate_limited")
    assert errors[-1]["retry_after"] > 0


def test_what_is_no_answer_of_the_service_is_an_error_of_the_same_class(frontend, alice):
    tab = frontend()
    tab.begin(alice.token())
    tab.wire.target = 1
    tab.wire.cut()
    error = tab.fails("client.listSharedChats()")
    assert (error["status"], error["error_type"], error["request_id"]) == (0, "network", None)
    answers = [(502, "<html>Bad gateway</html>"), (200, "<html>Another program's front page</html>")]
    for status, body in answers:
        tab.page.route("**/api/v1/policy", lambda route: route.fulfill(
            status=status, body=body, headers={"Access-Control-Allow-Origin": "*", "Content-Type": "text/html"}))
        error = tab.fails("client.getPolicy()")
        assert (error["status"], error["error_type"]) == (status, "unreadable")
        tab.page.unroute("**/api/v1/policy")


def test_an_abort_stays_an_abort(frontend, alice):
    tab = frontend()
    tab.begin(alice.token())
    aborted = tab.attempt("client.listSharedChats({ signal: AbortSignal.abort() })")
    assert aborted["thrown"].startswith("AbortError")
    tab.wire.silence()
    late = tab.attempt("client.listSharedChats({ signal: AbortSignal.timeout(200) })")
    tab.wire.speak()
    assert late["thrown"].startswith("TimeoutError")


def test_an_id_cannot_lead_to_another_call(frontend, alice):
    tab = frontend()
    tab.begin(alice.token())
    for bad in ["", ".", "..", None, 7]:
        assert tab.attempt("client.eraseUser(given)", bad)["thrown"].startswith("TypeError")
    assert tab.fails("client.eraseUser(given)", "../shared_chats?x#y")["status"] == 403
    assert [url for _, url in tab.asked] == [f"{tab.api}/api/v1/users/..%2Fshared_chats%3Fx%23y"]


# Tokens


def test_a_refused_token_is_replaced_once_for_all_calls(frontend, alice):
    tab = frontend()
    tab.begin(alice.token(lasts=-60), alice.token())
    pages = tab.call("Promise.all([1, 2, 3].map(() => client.listSharedChats()))")
    assert [page["total"] for page in pages] == [0, 0, 0]
    assert tab.tokens_asked().count("refresh") == 1
    assert len(tab.asked) == 6


def test_a_second_refusal_is_final(frontend, alice):
    tab = frontend()
    tab.begin(alice.token(lasts=-60))
    error = tab.fails("client.listSharedChats()")
    assert (error["status"], error["error_type"]) == (401, "invalid_token")
    assert (tab.tokens_asked(), len(tab.asked)) == (["token", "refresh"], 2)


def test_a_caller_who_is_signed_out_is_told_so_at_once(frontend):
    tab = frontend()
    tab.begin()
    assert tab.fails("client.listSharedChats()")["error_type"] == "login_required"
    tab.begin(None)
    assert tab.fails("client.listSharedChats()")["error_type"] == "login_required"
    assert (tab.tokens_asked(), len(tab.asked)) == (["token", "refresh"], 1)
    nothing = "new SharedChatsClient({ api: given, token: () => undefined })"
    assert tab.fails(f"{nothing}.listSharedChats()", tab.api)["error_type"] == "login_required"


def test_a_token_that_cannot_be_had_is_an_error_of_the_same_class(frontend):
    tab = frontend()
    failing = "new SharedChatsClient({ api: given, token: async () => { throw new Error('the provider is down'); } })"
    error = tab.fails(f"{failing}.listSharedChats()", tab.api)
    assert (error["status"], error["error_type"]) == (0, "no_token") and "the provider is down" in error["message"]


# Live links


def tell(service, chat):
    told = service.http(service_caller_token()).post(f"/api/v1/chats/{chat.id}/changes")
    assert told.status_code == 202, told.text


@pytest.fixture
def live(frontend, own_chats, alice):
    """Starts a tab that watches a live link of Alice's as these tokens' owner; a token may be a function that makes it."""

    def start(*tokens, after=None, **settings):
        tab = frontend()
        chat = own_chats.new_chat(alice.sub)
        link = tab.service.http(alice).share(chat, is_frozen=False, **settings)
        tab.begin(*(given() if callable(given) else given for given in tokens))
        tab.watch(link, after and chat.messages[0].id)
        said = chat.say("Grüße, 世界")
        tell(tab.service, chat)
        tab.until_told("message", said.content)
        return tab, chat, link

    return start


def test_events_arrive_and_end_with_the_link(live, alice):
    tab, chat, link = live(alice.token(), is_private=True)
    chat.messages[-1].content = "edited"
    tell(tab.service, chat)
    tab.until_told("changed", "edited")
    removed = chat.messages.pop()
    chat.name = "Another name"
    tell(tab.service, chat)
    tab.until_told("removed", removed.id)
    tab.until_told("renamed", "Another name")
    assert tab.service.http(alice).delete(link_path(link)).status_code == 204
    tab.until_ended()
    assert tab.ended() == "ended"
    assert tab.told()[-1] == ("revoked", "") and tab.told().count(("revoked", "")) == 1


def test_a_cut_connection_goes_on_from_the_last_message(live, alice):
    tab, chat, link = live()
    last = chat.messages[-1].id
    tab.wire.silence()
    tab.wire.cut()
    missed = [chat.say(f"missed {number}").content for number in range(3)]
    tell(tab.service, chat)
    tab.wire.speak()
    for content in missed:
        tab.until_told("message", content)
    # Edits in between are in the view alone, so the page is told to fetch it again.
    after_the_cut = tab.told()[1:]
    assert after_the_cut == [("reset", ""), *(("message", content) for content in missed)]
    assert tab.streams()[0].endswith("/events")
    assert tab.streams()[-1].endswith(f"/events?after={last}")


def test_a_cursor_of_the_caller_brings_what_came_after_it(live):
    tab, chat, _ = live(after="the first message")
    assert [content for _, content in tab.told()] == [message.content for message in chat.messages[1:]]


def test_a_silent_connection_is_opened_again(frontend, own_chats, alice):
    tab = frontend()
    chat = own_chats.new_chat(alice.sub)
    link = tab.service.http(alice).share(chat, is_frozen=False)
    tab.page.clock.install()
    tab.begin()
    tab.watch(link)
    chat.say("before")
    tell(tab.service, chat)
    tab.until_told("message", "before")
    tab.wire.silence()
    # The clock goes on meanwhile, so some of the 45 s are left for that.
    tab.page.clock.fast_forward(40_000)
    assert len(tab.streams()) == 1
    tab.page.clock.fast_forward(6_000)

    def is_asked_for_again(_):
        # Over the pause before that, which may begin after the first of these.
        tab.page.clock.fast_forward(2_000)
        return len(tab.streams()) == 2

    tab.until(is_asked_for_again, "the stream is asked for again")
    tab.wire.speak()
    chat.say("after")
    tell(tab.service, chat)
    tab.until_told("message", "after")
    assert len(tab.streams()) == 2


def test_a_stream_that_ends_with_its_token_goes_on_with_a_new_one(live, alice):
    # Made when all else is there: it has to last until the stream is open.
    tab, chat, _ = live(lambda: alice.token(lasts=15), alice.token(), is_private=True)
    began = datetime.now(timezone.utc)
    tab.until(lambda told: ("reset", "") in told, "the stream is open again")
    print(f"open again after {datetime.now(timezone.utc) - began}")
    said = chat.say("with the new token")
    tell(tab.service, chat)
    tab.until_told("message", said.content)
    assert ("revoked", "") not in tab.told()
    assert tab.tokens_asked().count("refresh") == 1


def test_a_link_made_private_ends_for_a_viewer_who_is_signed_out(live, alice):
    tab, _, link = live()
    assert tab.service.http(alice).patch(link_path(link), json={"is_private": True}).status_code == 204
    tab.until_ended()
    assert (tab.ended(), tab.told()[-1]) == ("ended", ("revoked", ""))


def test_a_link_made_private_goes_on_for_a_viewer_who_may(live, alice, bob):
    tab, chat, link = live(bob.token())
    assert tab.service.http(alice).patch(link_path(link), json={"is_private": True}).status_code == 204
    tab.until_told("settings", "")
    said = chat.say("for those who are signed in")
    tell(tab.service, chat)
    tab.until_told("message", said.content)
    assert tab.ended() is None


def test_a_frozen_link_cannot_be_watched(frontend, own_chats, alice):
    tab = frontend()
    link = tab.service.http(alice).share(own_chats.new_chat(alice.sub))
    tab.begin()
    tab.watch(link)
    tab.until_ended()
    assert (tab.ended(), tab.told()) == ("ApiError 400", [])


def test_nothing_is_told_after_an_abort(live, own_chats):
    tab, chat, _ = live()
    before = tab.told()
    tab.page.evaluate("stop.abort()")
    tab.until_ended()
    chat.say("unheard")
    tell(tab.service, chat)
    tab.page.wait_for_timeout(1500)
    assert (tab.ended(), tab.told(), len(tab.streams())) == ("ended", before, 1)


def test_what_the_page_throws_is_not_swallowed(frontend, own_chats, alice):
    tab = frontend()
    chat = own_chats.new_chat(alice.sub)
    link = tab.service.http(alice).share(chat, is_frozen=False)
    tab.begin()
    broken = "client.watch(given[0], { after: given[1], onEvent: () => { throw new RangeError('of the page'); } })"
    assert tab.attempt(broken, [link["id"], chat.messages[0].id]) == {"thrown": "RangeError: of the page"}
