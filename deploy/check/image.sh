#!/usr/bin/env bash
# Builds the Dockerfile where no registry of images is in reach, and runs the image as a container would: the base images are made of
# Debian's packages and the Rust that is installed here, buildah takes its steps, and the result is unpacked into target/image/root.
# Optimisation is turned down, one crate at a time: it shows that the steps work, not how fast the program is.
set -euo pipefail
cd "$(dirname "$0")/../.."
for package in debootstrap buildah util-linux curl; do
    dpkg -s $package >/dev/null 2>&1 || { apt-get update -q; apt-get install -qy --no-install-recommends $package; }
done

work=$PWD/target/image
mkdir -p "$work"
images() { nice -n 15 buildah --root "$work/storage" --runroot "$work/run" --storage-driver "${STORAGE_DRIVER:-overlay}" "$@"; }
say() { printf '\n-- %s\n' "$*"; }

if ! images inspect --type image rust:1.95-slim-bookworm >/dev/null 2>&1; then
    say "Base images"
    [ -e "$work/debian/etc/debian_version" ] || nice -n 15 debootstrap --variant=minbase bookworm "$work/debian" >/dev/null
    base=$(images from scratch)
    images add -q "$base" "$work/debian" /
    images config --env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$base"
    images commit -q --rm "$base" docker.io/library/debian:bookworm-slim

    rust=$(images from --pull-never docker.io/library/debian:bookworm-slim)
    images run --isolation chroot "$rust" -- sh -c 'apt-get update -q && apt-get install -qy --no-install-recommends ca-certificates gcc libc6-dev' >/dev/null
    sysroot=$(rustc --print sysroot)
    images add -q "$rust" "$sysroot/bin" /usr/local/rust/bin
    images add -q "$rust" "$sysroot/lib" /usr/local/rust/lib
    # Whom this machine trusts, for crates.
    images add -q "$rust" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
    images config --env PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin --env CARGO_HOME=/cargo \
        --env CARGO_BUILD_JOBS=1 --env CARGO_PROFILE_RELEASE_LTO=off \
        --env CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 --env CARGO_PROFILE_RELEASE_OPT_LEVEL=0 "$rust"
    images commit -q --rm "$rust" docker.io/library/rust:1.95-slim-bookworm
    rm -rf "$work/debian"
fi

say "Dockerfile"
images bud --isolation chroot --layers --pull-never --format docker -t shared-chats \
    --build-arg VERSION="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)" \
    --build-arg REVISION="$(git rev-parse HEAD)" .
images inspect --type image --format '{{.Docker.Config.User}} {{.Docker.Config.Healthcheck.Test}} {{.Docker.Config.Labels}}' shared-chats
container=$(images from --pull-never shared-chats)
rm -rf "$work/root"
cp -a "$(images mount "$container")" "$work/root"
images rm "$container" >/dev/null
du -sh "$work/root"

bash deploy/check/container.sh "$work/root"
