"""Runs the services of compose.yaml without a container engine, as far as that goes; it needs root, `ip`, `unshare` and `socat`.

Each gets a network namespace with the address, names and ports that compose.yaml gives it, its own process ids, a read-only root file
system with the volumes, files, secrets and tmpfs of compose.yaml, no privileges, and nothing else in its environment. What would be
in its image are programs of this machine (PROGRAMS); only the service itself can come from an unpacked image.
"""

import os
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
BRIDGE = "compose0"
POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
OF_THIS_MACHINE = ["bin", "etc", "lib", "lib64", "sbin", "usr"]


@dataclass
class Program:
    """What an image has: what it runs, by whom, with which variables."""

    command: list
    user: int
    environment: dict
    folder: str = "/"


def in_shell(script):
    return ["/bin/sh", "-ec", script]


def image_environment():
    """What the Dockerfile's last ENV says."""
    [*_, last] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    return dict(word.split("=", 1) for word in shlex.split(last.replace("\\\n", " ")))


SERVICE = Program(["shared-chats", "serve"], 65532, image_environment(), "/data")
# What the image's entry point does before it serves, for a volume that is new or not.
DATABASE = f"""
if [ ! -e $PGDATA/PG_VERSION ]; then
    {POSTGRES}/initdb -A scram-sha-256 -U $POSTGRES_USER --pwfile=$POSTGRES_PASSWORD_FILE
    echo 'host all all all scram-sha-256' >> $PGDATA/pg_hba.conf
    echo "CREATE DATABASE $POSTGRES_DB" | {POSTGRES}/postgres --single -j postgres
fi
exec {POSTGRES}/postgres -c listen_addresses='*' -c unix_socket_directories=/run/postgresql
"""
PROGRAMS = {
    "proxy": Program(["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"], 99, {}),
    "shared-chats-1": SERVICE,
    "shared-chats-2": SERVICE,
    "postgres": Program(in_shell(DATABASE), 999, {"PGDATA": "/var/lib/postgresql/data"}),
    # Our folder is /srv in there, and the Python that runs this /opt.
    "openid": Program(["node", "/srv/deploy/example/openid.mjs"], 1000, {}),
    "chats": Program(["/opt/bin/python3", "/srv/deploy/example/chats.py"], 65534, {}),
}


def run(*command):
    subprocess.run([str(word) for word in command], check=True)


def answers(address, port):
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


class Container:
    def __init__(self, name, service, address, stack):
        self.name, self.service, self.address, self.stack = name, service, address, stack
        self.program = PROGRAMS[name]
        self.root = stack.folder / "roots" / name
        self.root.mkdir(parents=True)
        self.log = stack.folder / f"{name}.log"
        self.process = None

    def _in_there(self, command):
        """As its user, with its variables, where the mounts are."""
        variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        variables |= self.program.environment | (self.service.get("environment") or {})
        user, folder = self.program.user, self.program.folder
        enter = ["/usr/bin/setpriv", "--no-new-privs", "/usr/bin/unshare", f"--setgid={user}", f"--setuid={user}"]
        enter += [f"--root={self.root}", f"--wd={folder}"]
        return ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), *enter, *command]

    def _mounts(self):
        """Lines of a script: a root of nothing, what lies in it, and then it is read-only."""
        root, stack = self.root, self.stack
        is_ours = self.program is SERVICE
        image = stack.image if is_ours and stack.image else Path("/")
        bind_file = "mkdir -p $(dirname {1}); [ -e {1} ] || : > {1}; mount --bind {0} {1}; mount -o remount,bind,ro {1}"
        yield "mount --make-rprivate /"
        yield f"mount -t tmpfs -o mode=755 tmpfs {root}"
        folders = OF_THIS_MACHINE if image == Path("/") else [path.name for path in image.iterdir()]
        for name in (name for name in folders if name not in ("data", "dev", "proc", "run", "sys", "tmp", "var")):
            yield f"mkdir {root}/{name}; mount --bind {image / name} {root}/{name}; mount -o remount,bind,ro {root}/{name}"
        yield f"mkdir {root}/proc {root}/dev; mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev"
        if image == Path("/"):
            yield f"mount -t tmpfs -o mode=755 tmpfs {root}/usr/local"
            yield bind_file.format(stack.users, f"{root}/etc/passwd")
            if is_ours:
                yield bind_file.format(stack.binary, f"{root}/usr/local/bin/shared-chats")
            for source, name in ((REPOSITORY, "srv"), (sys.prefix, "opt")):
                yield f"mkdir {root}/{name}; mount --bind {source} {root}/{name}; mount -o remount,bind,ro {root}/{name}"
        yield bind_file.format(stack.hosts, f"{root}/etc/hosts")
        for secret in self.service.get("secrets", []):
            yield bind_file.format(stack.folder / "secrets" / secret, f"{root}/run/secrets/{secret}")
        for place in self.service.get("tmpfs", []):
            yield f"mkdir -p {root}{place}; mount -t tmpfs -o mode=1777 tmpfs {root}{place}"
        for volume in self.service.get("volumes", []):
            source, target = volume.split(":")[:2]
            if source.startswith("."):
                yield bind_file.format(REPOSITORY / source, f"{root}{target}")
            else:
                yield f"mkdir -p {root}{target}; mount --bind {stack.volume(source, self.program.user)} {root}{target}"
        if self.service.get("read_only"):
            yield f"for place in {root}/usr/local {root}; do ! mountpoint -q $place || mount -o remount,ro $place; done"
        # As far as this machine lets us.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        yield f"ulimit -n {min(self.service.get('ulimits', {}).get('nofile', most), most)}"

    def start(self):
        script = "\n".join(["set -e", *self._mounts(), "exec " + shlex.join(map(str, self._in_there(self.program.command)))])
        apart = ["ip", "netns", "exec", self.name, "unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        with open(self.log, "ab") as log:
            # Its standard input stays open: stdin_open.
            self.process = subprocess.Popen([*apart, "sh", "-c", script], stdin=subprocess.PIPE, stdout=log, stderr=log)

    def pid(self):
        """Of the program, which is process 1 in there, as it is in a container."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def run(self, *command):
        """Beside the program, as `docker exec` does it."""
        enter = ["nsenter", "--target", str(self.pid()), "--mount", "--net", "--pid"]
        return subprocess.run([*enter, *map(str, self._in_there(command))], capture_output=True, text=True, timeout=15)

    def is_healthy(self):
        """By the health check of compose.yaml, or else the image's."""
        check = self.service.get("healthcheck", {}).get("test", ["CMD", "shared-chats", "health"])
        try:
            return self.run(*check[1:]).returncode == 0
        except (IndexError, OSError):
            return False

    def stop(self):
        """SIGTERM, and its exit status, within what compose.yaml gives it."""
        os.kill(self.pid(), signal.SIGTERM)
        return self.process.wait(int(self.service["stop_grace_period"].rstrip("s")))

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Stack:
    """All services of compose.yaml, in a network and a mount namespace of the caller's own."""

    def __init__(self, folder, binary, image=None):
        self.folder, self.binary = Path(folder), Path(binary).resolve()
        self.image = image and Path(shutil.copytree(image, self.folder / "image", symlinks=True))
        if self.image:
            # An engine makes it.
            (self.image / "etc/hosts").touch()
        self.hosts, self.users = self.folder / "hosts", self.folder / "users"
        users = {program.user for program in PROGRAMS.values()}
        self.users.write_text("".join(f"user{user}:x:{user}:{user}::/:/bin/false\n" for user in sorted(users)))
        self.forwarders = []
        compose = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
        prefix = compose["networks"]["inside"]["ipam"]["config"][0]["subnet"].rsplit(".", 1)[0]
        self.containers = {}
        for number, (name, service) in enumerate(compose["services"].items()):
            networks = service["networks"]
            fixed = networks["inside"].get("ipv4_address") if isinstance(networks, dict) else None
            self.containers[name] = Container(name, service, fixed or f"{prefix}.{129 + number}", self)
        names = [f"{container.address} {name}" for name, container in self.containers.items()]
        self.hosts.write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
        run("sh", REPOSITORY / "deploy/example/secrets.sh", self.folder / "secrets")
        self._network(prefix)

    def _network(self, prefix):
        Path("/run/netns").mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{prefix}.1/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        for number, container in enumerate(self.containers.values()):
            name = container.name
            run("ip", "netns", "add", name)
            run("ip", "link", "add", f"c{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", f"c{number}", "master", BRIDGE, "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "address", "add", f"{container.address}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")

    def volume(self, name, user):
        """New, it is what the image has at its place: a folder of its user."""
        path = self.folder / "volumes" / name
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(0o700)
            os.chown(path, user, user)
        return path

    def up(self, patience=180):
        """Starts each when those that it depends on are healthy, and publishes its ports."""
        waiting, healthy, end = dict(self.containers), set(), time.monotonic() + patience
        while len(healthy) < len(self.containers):
            for name, container in list(waiting.items()):
                if set(container.service.get("depends_on", {})) <= healthy:
                    container.start()
                    del waiting[name]
            for name in self.containers.keys() - waiting.keys() - healthy:
                container = self.containers[name]
                if container.process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{name} is not healthy:\n{container.log.read_text()[-3000:]}")
                if container.is_healthy():
                    healthy.add(name)
            time.sleep(0.2)
        for container in self.containers.values():
            for port in container.service.get("ports", []):
                address, outside, inside = port.split(":")
                listen = f"TCP-LISTEN:{outside},bind={address},fork,reuseaddr"
                self.forwarders.append(subprocess.Popen(["socat", listen, f"TCP:{container.address}:{inside}"]))
                while not answers(address, int(outside)):
                    time.sleep(0.05)

    def down(self):
        for forwarder in self.forwarders:
            forwarder.kill()
            forwarder.wait()
        for container in self.containers.values():
            container.end()
