#!/usr/bin/env bash
# Boots a Debian of its own with systemd in a container (systemd-nspawn), with shared-chats.service in it as it is, and uses the service:
#   bash deploy/check/unit.sh BINARY        # as root
set -euo pipefail
cd "$(dirname "$0")/../.."
for package in debootstrap systemd-container; do
    dpkg -s $package >/dev/null 2>&1 || { apt-get update -q; apt-get install -qy --no-install-recommends $package; }
done
binary=$(realpath "$1")
debian=$PWD/target/image/systemd
mkdir -p target/image
[ -e "$debian/sbin/init" ] ||
    nice -n 15 debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,curl bookworm "$debian" >/dev/null

# As the head of the unit says.
install -m 755 "$binary" "$debian/usr/local/bin/shared-chats"
install -m 644 deploy/shared-chats.service "$debian/etc/systemd/system/"
install -d "$debian/etc/shared-chats" "$debian/etc/systemd/system/multi-user.target.wants"
install -d -m 700 "$debian/etc/shared-chats/credentials"
(umask 077 && echo a-token > "$debian/etc/shared-chats/credentials/chat-service-token")
install -m 644 src/demo/chats.json "$debian/etc/shared-chats/chats.json"
secret=0123456789abcdef0123456789abcdef
cat > "$debian/etc/shared-chats/settings" <<SETTINGS
CHAT_SERVICE_URL=file:/etc/shared-chats/chats.json
AUTH_HS256_SECRET=$secret
PUBLIC_URL=http://localhost:8080
SETTINGS

cat > "$debian/usr/local/bin/use-it" <<'SCRIPT'
#!/bin/bash
trap 'systemctl poweroff --force' EXIT
exec > /said 2>&1
set -euo pipefail
for _ in $(seq 100); do shared-chats health 2>/dev/null && break; sleep 0.1; done
shared-chats health && echo "it is healthy"
links=http://127.0.0.1:8080/api/v1/shared_chats
alice=$(AUTH_HS256_SECRET=$1 shared-chats token alice)
made=$(curl -sSf $links -H "Authorization: Bearer $alice" -H 'Content-Type: application/json' \
    -d '{"chat_session_id": "quarterly-report", "includes_artifacts": true}')
id=$(sed 's/.*"id":"\([^"]*\)".*/\1/' <<< "$made")
curl -sSf -o /dev/null "$links/$id" && curl -sSf -o /dev/null "$links/$id/qr_code" && echo "a chat is shared, and viewed"
pid=$(systemctl show -p MainPID --value shared-chats)
grep -q '^CapBnd:\s*0*$' "/proc/$pid/status" && grep -q '^Seccomp:\s*2$' "/proc/$pid/status" && echo "it has no privileges, and a filter of system calls"
[ -e /var/lib/private/shared-chats/shared-chats.db ] && echo "its files are in /var/lib/shared-chats"
systemctl stop shared-chats
[ "$(systemctl show -p Result --value shared-chats)" = success ] && echo "it stops well"
echo "all is well"
SCRIPT
chmod +x "$debian/usr/local/bin/use-it"
cat > "$debian/etc/systemd/system/use-it.service" <<UNIT
[Unit]
After=shared-chats.service
[Service]
Type=oneshot
ExecStart=/usr/local/bin/use-it $secret
UNIT
for unit in shared-chats use-it; do
    ln -sf "../$unit.service" "$debian/etc/systemd/system/multi-user.target.wants/"
done

rm -rf "$debian/said" "$debian/var/lib/private/shared-chats"
timeout --kill-after=5 120 systemd-nspawn -q -D "$debian" -b --private-network --register=no --keep-unit --console=pipe \
    < /dev/null > "$debian.log" 2>&1 || true
cat "$debian/said"
grep -q '^all is well$' "$debian/said"
