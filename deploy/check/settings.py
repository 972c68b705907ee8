#!/usr/bin/env python3
"""What compose.yaml, kubernetes.yaml and shared-chats.service say agrees with the service: a setting that it does not know is
one that does nothing, and a grace period that is too short cuts off what is under way."""

import re
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
# Not ours, but read by what we are made of.
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "TMPDIR", "PATH"}


def known():
    names = set(re.findall(r"^#?([A-Z0-9_]+)=", (REPOSITORY / ".env.sample").read_text(), re.MULTILINE))
    secrets = {name for name in names if f"{name}_FILE" in names} | {"DATABASE_URL"}
    return names | {f"{name}_FILE" for name in secrets} | OTHERS


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m|min)?", str(text)).groups()
    return int(number) * (60 if unit in ("m", "min") else 1)


def of_compose():
    services = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())["services"]
    for name, service in services.items():
        if name.startswith("shared-chats"):
            yield f"compose.yaml, {name}", service["environment"], service["stop_grace_period"]


def of_kubernetes():
    documents = list(yaml.safe_load_all((REPOSITORY / "deploy/kubernetes.yaml").read_text()))
    [settings] = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
    [pod] = [document["spec"]["template"]["spec"] for document in documents if document["kind"] == "Deployment"]
    for container in pod["containers"]:
        own = {variable["name"]: variable.get("value") for variable in container["env"]}
        yield "deploy/kubernetes.yaml", settings | own, pod["terminationGracePeriodSeconds"]


def of_systemd():
    text = (REPOSITORY / "deploy/shared-chats.service").read_text()
    words = " ".join(re.findall(r"^#?Environment=(.*)$", text, re.MULTILINE)).split()
    [grace] = re.findall(r"^TimeoutStopSec=(.*)$", text, re.MULTILINE)
    yield "deploy/shared-chats.service", dict(word.split("=", 1) for word in words), grace


def main():
    problems = []
    for where, settings, grace in [*of_compose(), *of_kubernetes(), *of_systemd()]:
        assert settings, f"{where} has no setting: does this still see anything?"
        problems += [f"{where}: {name} is no setting" for name in sorted(settings.keys() - known())]
        timeout = settings.get("SHUTDOWN_TIMEOUT", "30s")
        if seconds(grace) <= seconds(timeout):
            problems.append(f"{where}: it gets {grace} to end, and SHUTDOWN_TIMEOUT is {timeout}")
    print("\n".join(problems) or "settings: all are known, and all grace periods are long enough")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
