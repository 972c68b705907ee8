"""Tabs of one Chromium window, of which one is shown and the others are hidden.

Playwright has every page take itself for the one that is shown, so this speaks the DevTools protocol itself.
"""

import json
import re
import shutil
import subprocess
import time

from websockets.sync.client import connect

from conftest import eventually

# A page that is being left, or that has just been come to.
NO_CONTEXT = ("Cannot find default execution context", "Inspected target navigated or closed")


class Window:
    """A Chromium without a screen. Tabs are known by their id."""

    def __init__(self, folder):
        chromium = shutil.which("chromium")
        assert chromium, "chromium is missing: install the Debian package chromium"
        self.log = folder / "chromium.log"
        options = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([chromium, *options, "about:blank"], stdout=log, stderr=log)
        found = eventually(self._address, 60, "Chromium printed its address")
        self.connection = connect(found, max_size=None)
        self.number = 0
        self.sessions = {}

    def _address(self):
        found = re.search(r"DevTools listening on (ws://\S+)", self.log.read_text(errors="replace"))
        return found and found[1]

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        self.connection.send(json.dumps(message))
        while True:
            answer = json.loads(self.connection.recv(timeout=60))
            if answer.get("id") == self.number:
                if answer.get("error", {}).get("message") in NO_CONTEXT:
                    return None
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url):
        """Opens a tab, which is then the one that is shown."""
        tab = self.call("Target.createTarget", url=url)["targetId"]
        self.sessions[tab] = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        return tab

    def show(self, tab):
        self.call("Target.activateTarget", targetId=tab)

    def evaluate(self, tab, script):
        # A page whose opener policy differs from that of the one before it begins a context of its own.
        evaluated = eventually(
            lambda: self.call("Runtime.evaluate", self.sessions[tab], expression=script), 30, "the page has a context"
        )
        return evaluated["result"].get("value")

    def is_hidden(self, tab):
        return self.evaluate(tab, "document.hidden")

    def texts(self, tab):
        script = "JSON.stringify([...document.querySelectorAll('article .content')].map(e => e.innerText))"
        return json.loads(self.evaluate(tab, script))

    def close(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait(30)
        # Its other processes write to the profile for a moment still.
        time.sleep(0.2)
