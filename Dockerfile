# syntax=docker/dockerfile:1

ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-slim-bookworm AS build
WORKDIR /build
# Dependencies by themselves: this layer stays until Cargo.toml or Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked \
    && rm -r src
COPY migrations migrations
COPY src src
# Cargo goes by the time of a file, and COPY keeps that of the checkout.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked
RUN mkdir /data

FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/shared-chats /usr/local/bin/shared-chats
# The one place that is written to; the root file system may be read-only.
COPY --from=build --chown=65532:65532 /data /data
VOLUME /data
USER 65532:65532
ENV BIND_ADDRESS=0.0.0.0:8080 \
    DATABASE_URL=sqlite:/data/shared-chats.db
EXPOSE 8080
# For Docker and Compose; other orchestrators ask /health/live and /health/ready themselves.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /health/ready HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["shared-chats"]
CMD ["serve"]
