#!/usr/bin/env bash
# Runs an unpacked image as a container: no privileges, a read-only root file system, /data as the one volume, SQLite.
#   bash deploy/check/container.sh FOLDER
set -euo pipefail
image=$(realpath "$1")
if [ -z "${APART:-}" ]; then APART=yes exec unshare --net --mount "$0" "$image"; fi

work=$(mktemp -d)
mkdir "$work/data" "$work/root"
chown 65532:65532 "$work/data"
chmod 700 "$work/data"
cat > "$work/data/chats.json" <<'CHATS'
[{"id": "oslo", "name": "Trip to Oslo", "owner": "alice",
  "messages": [{"id": "1", "content": "When?", "created_at": "2026-11-20T08:00:00Z"}],
  "artifacts": [{"id": "f1", "filename": "plan.csv", "bytes": 4, "created_at": 1795161600, "text": "1,2\n"}]}]
CHATS
ip link set lo up
mount --make-rprivate /
mount --bind "$image" "$work/root"
mount -o remount,bind,ro "$work/root"
mount -t proc proc "$work/root/proc"
mount --bind "$work/data" "$work/root/data"
touch "$work/began"

# With the environment of the Dockerfile.
inside=(env -i PATH=/usr/local/bin TMPDIR=/data BIND_ADDRESS=0.0.0.0:8080 CHAT_SERVICE_URL=file:/data/chats.json
    AUTH_HS256_SECRET=0123456789abcdef0123456789abcdef PUBLIC_URL=http://localhost:8080
    /usr/bin/setpriv --no-new-privs /usr/bin/unshare --setgid=65532 --setuid=65532 --root="$work/root" --wd=/data)
"${inside[@]}" shared-chats serve > "$work/out" 2> "$work/log" &
service=$!
cleanup() {
    kill -9 $service 2>/dev/null || true
    wait $service 2>/dev/null || true
    umount -R "$work/root" && rm -rf "$work"
}
trap cleanup EXIT
for _ in $(seq 100); do
    "${inside[@]}" shared-chats health 2>/dev/null && break
    kill -0 $service 2>/dev/null || { cat "$work/log"; exit 1; }
    sleep 0.1
done
"${inside[@]}" shared-chats health
echo "the health check passes"

api=http://127.0.0.1:8080/api/v1/shared_chats
alice=$("${inside[@]}" shared-chats token alice --name Alice)
link=$(curl -sSf --noproxy '*' $api -H "Authorization: Bearer $alice" -H 'Content-Type: application/json' \
    -d '{"chat_session_id": "oslo", "includes_artifacts": true}' | sed 's/.*"id":"\([^"]*\)".*/\1/')
curl -sSf --noproxy '*' "$api/$link" | grep -q '"Trip to Oslo"'
[ "$(curl -sSf --noproxy '*' "$api/$link/artifacts/f1")" = 1,2 ]
echo "a chat is shared, with its file, and viewed"

[ "$(stat -c %u /proc/$service)" = 65532 ]
grep -q '^CapEff:.0*$' /proc/$service/status
echo "it runs as 65532, without privileges"
written=$(find "$image" -newer "$work/began" -not -type d)
[ -z "$written" ] || { echo "written outside of /data: $written"; exit 1; }
echo "nothing was written outside of /data"

kill -TERM $service
wait $service
echo "it ends with 0 at SIGTERM"
[ ! -e "$work/root/bin/sh" ] && echo "there is no shell"

# SQLite sorts what is large in a file of its own, and the demo needs a folder.
"${inside[@]}" shared-chats demo > "$work/out" 2>&1 &
service=$!
for _ in $(seq 100); do
    grep -q eyJ "$work/out" && break
    sleep 0.1
done
grep -q eyJ "$work/out" || { cat "$work/out"; exit 1; }
kill -TERM $service
wait $service
echo "the demo runs in it"
