"""Proxies of others in front of the service: Debian's nginx, and Express with `compression` from npm."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from conftest import eventually
from ports import free_port

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
COMPRESSING = Path(__file__).parent / "compressing"
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
{user}
events {{}}
http {{
    access_log off;
    {temporary}
    server {{
        listen 127.0.0.1:{port};
        location = /favicon.ico {{ return 204; }}
        {locations}
    }}
}}
"""
TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Nginx:
    """With these `location`s, and otherwise as it is by default. Its port is free before it starts."""

    def __init__(self, folder):
        assert NGINX, "nginx is missing: install the Debian package nginx"
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self, locations):
        text = CONFIGURATION.format(
            folder=self.folder,
            # By default its workers are another user, who may not write here.
            user="user root;" if os.getuid() == 0 else "",
            temporary="".join(f"{name}_temp_path {self.folder}/{name}; " for name in TEMPORARY),
            port=self.port,
            locations=locations,
        )
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")
        command = [NGINX, "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log"]
        self.process = subprocess.Popen(command)
        eventually(lambda: answers(self.port), 30, "nginx answers")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)


class Compressing:
    """Express with `compression`."""

    def __init__(self, target):
        installed = (COMPRESSING / "node_modules" / "compression").is_dir()
        assert installed, "its packages are missing: npm ci --prefix tests/e2e/compressing"
        command = ["node", COMPRESSING / "proxy.mjs", target]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url, "the proxy did not start"

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()
