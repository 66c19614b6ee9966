// An identity provider: npm's oidc-provider as it comes, with one client per user and tokens that are JWTs.
// Run by `npx --yes --package oidc-provider@VERSION --call 'node issuer.mjs'`; prints its URL. A line on standard input is
// answered with one of `{}`: `rotate` has it sign with a new key, beside which it still tells the old one.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { createInterface } from 'node:readline';
import path from 'node:path';

const bin = process.env.PATH.split(path.delimiter).find((entry) => entry.endsWith('node_modules/.bin'));
const { default: Provider } = await import(path.join(bin, '..', 'oidc-provider', 'lib', 'index.js'));

const key = (number, type) => {
  const { privateKey } = type === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: `key-${number}`, use: 'sig', alg: type };
};
const users = ['alice', 'bob', 'carol', 'dave', 'erin'];
let keys = [key(1, 'ES256'), key(2, 'RS256')];
let provider;

const begin = (issuer) => new Provider(issuer, {
  jwks: { keys },
  ttl: { ClientCredentials: 3600 },
  clients: users.map((user) => ({
    client_id: user,
    client_secret: `${user}-secret-of-this-test`,
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  })),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource, client) => ({
        scope: 'call',
        audience: resource,
        accessTokenTTL: 3600,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: client.clientId === 'erin' ? 'RS256' : 'ES256' } },
      }),
    },
  },
  extraTokenClaims: (_context, token) => ({
    groups: ['alice', 'bob'].includes(token.clientId) ? ['dev'] : ['ops'],
  }),
});

const server = createServer((request, response) => provider.callback()(request, response));
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  provider = begin(issuer);
  console.log(issuer);
  let number = keys.length;
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'rotate') {
      number += 1;
      keys = [key(number, 'ES256'), ...keys];
      provider = begin(issuer);
    }
    console.log('{}');
  }).on('close', () => process.exit(0));
});
