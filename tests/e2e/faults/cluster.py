"""A PostgreSQL server of the tests' own, in a folder of its own, as a user who is not root."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import psycopg

from conftest import eventually
from ports import free_port

USER = "postgres"
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 60
wal_level = replica
max_wal_senders = 4
hot_standby = on
shared_buffers = 16MB
lc_messages = 'C'
"""


def programs():
    """The folder of the newest server programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    beside = shutil.which("postgres")
    return Path(beside).parent if beside else None


class Server:
    """One server; `create` or `standby_of` makes its folder."""

    def __init__(self, programs, port=None):
        self.programs = programs
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="shared-chats-postgres-"))
        self.data = self.folder / "data"
        self.process = None
        if os.geteuid() == 0:
            account = pwd.getpwnam(USER)
            os.chown(self.folder, account.pw_uid, account.pw_gid)

    def _command(self, program, *arguments):
        """PostgreSQL refuses to run as root."""
        down = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
        return [*down, str(self.programs / program), *map(str, arguments)]

    def run(self, program, *arguments):
        done = subprocess.run(
            self._command(program, *arguments), capture_output=True, text=True, cwd=self.folder, timeout=300
        )
        assert done.returncode == 0, f"{program}: {done.stderr[-2000:]}"
        return done.stdout

    def create(self):
        self.run("initdb", "-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        self.configure(CONFIGURATION)
        return self

    def standby_of(self, primary):
        """A copy of another server that follows it."""
        where = f"host=127.0.0.1 port={primary.port} user={USER}"
        self.run("pg_basebackup", "-d", where, "-D", self.data, "-R", "-X", "stream", "-c", "fast")
        return self

    def configure(self, text):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        arguments = ["-D", self.data, "-p", self.port]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self._command("postgres", *arguments), stdout=log, stderr=log, cwd=self.folder
            )
        eventually(self.answers, 60, "PostgreSQL answers")
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def answers(self):
        assert self.is_running(), (self.folder / "log").read_text()[-2000:]
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how="fast"):
        """`fast` ends sessions and tidies up; `immediate` leaves it to recovery."""
        self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        self.process.wait(60)

    def kill(self):
        """kill -9 of the server; its sessions notice, and end."""
        self.process.kill()
        self.process.wait()
        # The next one may not start while one of them is left.
        time.sleep(0.3)

    def promote(self):
        """A standby becomes the primary, and takes writes when this returns."""
        self.execute("SELECT pg_promote(wait => true, wait_seconds => 60)")
        eventually(lambda: not self.execute("SELECT pg_is_in_recovery()")[0][0], 30, "the standby is promoted")

    def commits_wait_for_the_standby(self):
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.execute("SELECT pg_reload_conf()")
        synchronous = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"
        eventually(lambda: self.execute(synchronous), 30, "the standby is synchronous")

    def end_sessions(self):
        """Ends every session but the one that asks. Gives back how many."""
        ended = self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return len(ended)

    def execute(self, sql, database="postgres"):
        """Runs one statement in a session of its own, and gives back its rows."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=30) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def new_database(self, options=""):
        name = f"e2e_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return name

    def url(self, database, *, port=None):
        return f"postgres://{USER}@127.0.0.1:{port or self.port}/{database}"

    def remove(self):
        if self.is_running():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
