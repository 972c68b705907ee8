#!/usr/bin/env bash
# Checks the Dockerfile, compose.yaml and this folder without a container engine, on Debian:
#   bash deploy/check.sh                    reads all of it
#   bash deploy/check.sh --run BINARY       and runs compose.yaml with that binary; as root
#   bash deploy/check.sh --boot BINARY      and boots a Debian with shared-chats.service in it; as root
#   bash deploy/check.sh --build            and builds the image, runs it, and compose.yaml with it; as root
# CONTRIBUTING.md says what each of them is worth.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n-- %s\n' "$*"; }
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install() {
    local missing=()
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    root apt-get update -q
    root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
}

install haproxy systemd python3-venv
tools=target/deploy-venv
# Debian's Python: the processes of compose.yaml, which get no farther, have to find it.
[ -x $tools/bin/python3 ] || /usr/bin/python3 -m venv $tools
$tools/bin/pip install -q -r deploy/check/requirements.txt

say "Dockerfiles"
for file in Dockerfile deploy/example/*.Dockerfile; do
    $tools/bin/hadolint --failure-threshold info "$file"
done

say "compose.yaml"
$tools/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

say "kubernetes.yaml"
$tools/bin/kubernetes-validate --strict deploy/kubernetes.yaml

say "Settings, in all of them"
$tools/bin/python3 deploy/check/settings.py

say "haproxy.cfg"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The host names of compose.yaml do not resolve here.
sed -E 's/ shared-chats-[12]:/ 127.0.0.1:/' deploy/haproxy.cfg > "$work/haproxy.cfg"
haproxy -q -c -dW -f "$work/haproxy.cfg" && echo "valid"

say "shared-chats.service"
mkdir "$work/bin"
printf '#!/bin/sh\n' > "$work/bin/shared-chats"
chmod +x "$work/bin/shared-chats"
sed "s#/usr/local/bin/#$work/bin/#" deploy/shared-chats.service > "$work/shared-chats.service"
systemd-analyze verify "$work/shared-chats.service"
# Exposure from 0 to 10, here times 10.
systemd-analyze security --no-pager --offline=yes --threshold=15 deploy/shared-chats.service | tail -n 1

[ $# -eq 0 ] && exit

run_compose() {
    say "compose.yaml, as processes"
    install iproute2 util-linux socat wget postgresql
    [ -d tests/e2e/oidc/node_modules ] || npm ci --prefix tests/e2e/oidc --no-audit --no-fund
    root $tools/bin/python3 deploy/check/stack.py "$@"
}

case "$1" in
    --run) run_compose "$2" ;;
    --boot)
        say "shared-chats.service, under systemd"
        root bash deploy/check/unit.sh "$2"
        ;;
    --build)
        root bash deploy/check/image.sh
        run_compose target/image/root/usr/local/bin/shared-chats --image target/image/root
        ;;
    *)
        sed -n '2,7p' "$0"
        exit 2
        ;;
esac
