// oidc-provider as its documentation configures it, for conformance/peers/cmd/compare, with the
// features on that the suite has cases for. It reads where to listen from its standard input, and
// ends with it.
import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import { Provider, errors } from 'oidc-provider';

const input = createInterface({ input: process.stdin });
const setting = JSON.parse(await new Promise((resolve) => { input.once('line', resolve); }));
input.on('close', () => process.exit(0));

const key = (kid, alg, kind, options) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' });

const salt = randomBytes(32);
const resources = ['https://api.example/v1', 'https://files.example/api'];

const provider = new Provider(`https://${setting.address}`, {
  jwks: {
    keys: [
      key('rs', 'RS256', 'rsa', { modulusLength: 2048 }),
      key('ps', 'PS256', 'rsa', { modulusLength: 2048 }),
      key('es', 'ES256', 'ec', { namedCurve: 'P-256' }),
    ],
  },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  scopes: ['openid', 'offline_access', 'read', 'write'],
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, name: `${id} Example`, email: `${id}@example.com`, email_verified: true }),
  }),
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'self_signed_tls_client_auth', 'none'],
  pairwiseIdentifier: async (ctx, accountId, client) => createHmac('sha256', salt).update(`${client.sectorIdentifier} ${accountId}`).digest('hex'),
  subjectTypes: ['public', 'pairwise'],
  // What a client publishes is fetched from where the suite really is, which is an address that
  // oidc-provider's own dispatcher would not connect to.
  fetch: (url, options) => {
    const at = new URL(url);
    if (at.hostname !== 'documents.example') return globalThis.fetch(url, options);
    at.host = setting.documents;
    return globalThis.fetch(at, { ...options, dispatcher: undefined });
  },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true },
    dPoP: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtIntrospection: { enabled: true },
    jwtUserinfo: { enabled: true },
    encryption: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate(),
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource) => {
        if (!resources.includes(resource)) throw new errors.InvalidTarget();
        return { audience: resource, scope: 'read write', accessTokenFormat: 'jwt' };
      },
    },
  },
});

createServer({
  cert: setting.certificate,
  key: setting.key,
  requestCert: true,
  rejectUnauthorized: false,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
}, provider.callback())
  .listen(Number(setting.address.split(':')[1]), setting.address.split(':')[0]);
