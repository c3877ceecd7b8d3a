// A real OpenID Connect provider on loopback: `node oidc_provider.mjs PORT REDIRECT_URI SECRET`. Its keys are new at each
// start. Users log in by name, without a password; who has which roles is below.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { parse } from "node:querystring";

import { Provider } from "oidc-provider";

const [port, redirectUri, secret] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const roles = { anna: ["forwarder-admins"], vera: ["forwarder-viewers"], eve: undefined };

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "console-of-the-shop",
      client_secret: secret,
      redirect_uris: [redirectUri],
    },
  ],
  jwks: { keys: [key] },
  cookies: { keys: [randomUUID()] },
  claims: { openid: ["sub", "roles"], profile: ["preferred_username"] },
  // By default, claims of scopes are at the userinfo endpoint only.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, roles: roles[id] }),
  }),
  // The shop's own console needs no one's consent.
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Provider</title><link rel="icon" href="data:,">
</head><body><main><h1>Provider</h1><form method="post"><label>Account <input name="login"></label>
<button>Continue</button></form></main></body></html>`;

const answer = provider.callback();

createServer(async (request, response) => {
  if (!request.url.startsWith("/interaction/")) {
    answer(request, response);
  } else if (request.method === "POST") {
    let body = "";
    for await (const part of request) {
      body += part;
    }
    await provider.interactionFinished(request, response, { login: { accountId: parse(body).login } });
  } else {
    response.setHeader("content-type", "text/html").end(page);
  }
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));
