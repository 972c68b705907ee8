# The OpenID provider of compose.yaml, for trying things out alone.
FROM node:22-bookworm-slim
WORKDIR /app
COPY tests/e2e/oidc/package.json tests/e2e/oidc/package-lock.json tests/e2e/oidc/
RUN npm ci --prefix tests/e2e/oidc --no-audit --no-fund
COPY tests/e2e/oidc/provider.mjs tests/e2e/oidc/
COPY deploy/example/openid.mjs deploy/example/
USER 1000
CMD ["node", "deploy/example/openid.mjs"]
