// The OpenID provider of compose.yaml, for trying things out alone: it accepts any name with any password.
// It is that of the end-to-end tests, with keys that are made anew at each start.

import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { PORT = '9000', ISSUER = `http://localhost:${PORT}` } = process.env;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: `rsa-${Date.now()}`, use: 'sig', alg: 'RS256' };
const settings = {
  issuer: ISSUER,
  host: '0.0.0.0',
  names: { alice: 'Alice', bob: 'Bob' },
  clients: [
    {
      client_id: 'frontend',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  resources: { 'urn:shared-chats': { audience: 'shared-chats', alg: 'RS256', lasts: 3600 } },
};

const folder = mkdtempSync(join(tmpdir(), 'openid-'));
const files = [
  ['keys.json', [key]],
  ['settings.json', settings],
].map(([name, content]) => {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  return path;
});
process.argv.splice(2, Infinity, PORT, ...files);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
await import('../../tests/e2e/oidc/provider.mjs');
