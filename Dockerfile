# syntax=docker/dockerfile:1

ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-slim-bookworm AS build
WORKDIR /build
# Dependencies by themselves: this layer stays until one of these files changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked \
    && rm -r src
COPY migrations migrations
COPY clients clients
COPY src src
# Cargo goes by the time of a file, and COPY keeps that of the checkout.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked

# What the program needs of Debian, as it is today, and nothing else: no shell, no package manager.
# `docker build --no-cache-filter root` takes it anew. A scanner finds the versions in status.d.
FROM debian:bookworm-slim AS root
WORKDIR /packages
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && apt-get download base-files libc6 libgcc-s1 \
    && mkdir -p /image/etc/ssl/certs /image/var/lib/dpkg/status.d /data \
    && for package in *.deb; do \
        dpkg-deb --extract "$package" /image \
        && dpkg-deb --field "$package" > "/image/var/lib/dpkg/status.d/${package%%_*}" || exit 1; \
    done \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'hosts: files dns' > /image/etc/nsswitch.conf \
    && echo 'shared-chats:x:65532:65532::/data:/sbin/nologin' > /image/etc/passwd \
    && rm -rf /image/usr/lib/*/gconv /image/usr/share/lintian /var/lib/apt/lists

FROM scratch
COPY --from=root /image /
COPY --from=build /build/target/release/shared-chats /usr/local/bin/shared-chats
# The one place that is written to: the SQLite file, the folder of files, and what SQLite sorts. The root
# file system may be read-only.
COPY --from=root --chown=65532:65532 /data /data
VOLUME /data
WORKDIR /data
USER 65532:65532
ENV PATH=/usr/local/bin \
    TMPDIR=/data \
    BIND_ADDRESS=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
# For Docker and Compose; Kubernetes asks /health/live and /health/ready itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["shared-chats", "health"]
ENTRYPOINT ["shared-chats"]
CMD ["serve"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="shared-chats" \
      org.opencontainers.image.description="Share a chat as a link" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
