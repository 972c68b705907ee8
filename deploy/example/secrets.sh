#!/bin/sh
# Makes the secrets of compose.yaml, each in a file of its own, once:
#   sh deploy/example/secrets.sh
set -eu
umask 077
folder="${1:-$(dirname "$0")/secrets}"
# Only you get into the folder; in a container its users, who have other ids, must be able to read the file.
mkdir -p "$folder"
new() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() {
    [ -e "$folder/$1" ] && return
    cat > "$folder/$1.new"
    chmod 444 "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
}
new | keep postgres-password
new | keep chat-service-token
printf 'postgres://shared_chats:%s@postgres/shared_chats?sslmode=disable' "$(cat "$folder/postgres-password")" | keep database-url
