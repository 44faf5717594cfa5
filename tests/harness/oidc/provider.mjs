// A certified provider of OpenID Connect, with the device flow, for the tests. It keeps everything in memory.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const settings = JSON.parse(process.argv[2]);
const server = createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: settings.clientId,
      client_secret: settings.clientSecret,
      grant_types: settings.redirect ? ["authorization_code"] : ["urn:ietf:params:oauth:grant-type:device_code"],
      response_types: settings.redirect ? ["code"] : [],
      redirect_uris: settings.redirect ? [settings.redirect] : [],
      token_endpoint_auth_method: settings.authentication ?? "client_secret_basic",
      id_token_signed_response_alg: settings.algorithm ?? "RS256",
    },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
  // Whoever types a name is that user.
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: settings.groups?.[id] ?? [] }) }),
  ttl: { DeviceCode: settings.lifetime ?? 600 },
  ...(settings.keys ? { jwks: { keys: settings.keys } } : {}),
});
server.on("request", provider.callback());
console.log(issuer);
