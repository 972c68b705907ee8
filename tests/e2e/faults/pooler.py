"""Debian's PgBouncer in front of a server of the tests' own."""

import os
import shutil
import subprocess

import psycopg

from conftest import eventually
from faults.cluster import USER
from ports import free_port

PROGRAM = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
# Everything else is its default.
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
{more}
"""


class Pooler:
    """A running PgBouncer; `more` are lines of its configuration."""

    def __init__(self, server, more=""):
        self.port, self.server = free_port(), server
        # Of the server's user, as whom it is run.
        self.log = server.folder / f"pgbouncer-{self.port}.log"
        users, self.configuration = server.folder / "pgbouncer-users", server.folder / f"pgbouncer-{self.port}.ini"
        users.write_text(f'"{USER}" ""\n')
        text = CONFIGURATION.format(server=server.port, port=self.port, users=users, more=more)
        self.configuration.write_text(text)

    def url(self, database):
        return self.server.url(database, port=self.port)

    def __enter__(self):
        # It refuses to run as root.
        down = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*down, PROGRAM, self.configuration], stdout=log, stderr=log)
        eventually(self._answers, 30, "PgBouncer answers")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=30).close()
        except psycopg.OperationalError:
            return False
        return True
