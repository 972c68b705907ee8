// An OpenID provider for the tests: the certified `oidc-provider`, on loopback, with its development sign-in.
//
//   node provider.mjs PORT KEYS.json SETTINGS.json
//
// SETTINGS.json may name another `issuer` than the loopback address, and the `host` to listen on.
// KEYS.json is a list of private JWKs. A line on standard input makes it read that file again, as at a rotation;
// it answers each time with a line on standard output. GET /seen counts what was asked for, by path.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { webcrypto } from 'node:crypto';

// What Node.js 18, which Debian 12 has, is lacking.
globalThis.crypto ??= webcrypto;
URL.parse ??= (url, base) => (URL.canParse(url, base) ? new URL(url, base) : null);
// Its advice for production; standard output is for our own word.
console.info = console.warn = () => {};
const { Provider } = await import('oidc-provider');

const [port, keysFile, settingsFile] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(settingsFile));
const host = settings.host ?? '127.0.0.1';
const issuer = settings.issuer ?? `http://127.0.0.1:${port}`;
const cookieKey = 'of no use to anybody';

function provider() {
  const keys = JSON.parse(readFileSync(keysFile));
  return new Provider(issuer, {
    jwks: { keys },
    cookies: { keys: [cookieKey] },
    clients: settings.clients,
    scopes: ['openid', 'profile', 'shared_chats:service', 'chats:read'],
    claims: { profile: ['name'] },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: settings.names[id] }) }),
    extraTokenClaims: (_ctx, token) => (token.accountId ? { name: settings.names[token.accountId] } : undefined),
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        // RFC 8707 in, RFC 9068 out: each resource says how its tokens are signed and for how long they are good.
        getResourceServerInfo: (_ctx, resource) => {
          const { audience, alg, lasts } = settings.resources[resource];
          return {
            audience,
            scope: 'shared_chats:service chats:read',
            accessTokenFormat: 'jwt',
            accessTokenTTL: lasts,
            jwt: { sign: { alg } },
          };
        },
      },
    },
  }).callback();
}

const seen = {};
let answer = provider();
createServer((request, response) => {
  const path = request.url.split('?')[0];
  if (path === '/seen') {
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify(seen));
  }
  seen[path] = (seen[path] ?? 0) + 1;
  return answer(request, response);
}).listen(Number(port), host, () => console.log('ready'));

createInterface({ input: process.stdin })
  .on('line', () => {
    answer = provider();
    console.log('ready');
  })
  .on('close', () => process.exit(0));
