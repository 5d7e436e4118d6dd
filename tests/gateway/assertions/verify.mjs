// Two verifiers of Access's assertions, unmodified: @hono/cloudflare-access and Cloudflare's own
// Pages plugin. Reads {verifier, team, domain, keys, audience, cases} from standard input; prints
// for each case the common name that was believed, or null.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// From the folder that this is run in, not from the script's own.
const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const input = JSON.parse(readFileSync(0, "utf8"));
const header = "Cf-Access-Jwt-Assertion";
const url = "https://upstream.example.com/";

// The plug-in for Hono only knows https://TEAM.cloudflareaccess.com: that name leads to our keys.
const realFetch = globalThis.fetch;
globalThis.fetch = (target, init) => {
  const wanted = String(target);
  const team = `https://${input.team}.cloudflareaccess.com/cdn-cgi/access/certs`;
  return realFetch(wanted === team ? input.keys : wanted, init);
};

const headers = (token) => (token === null ? {} : { [header]: token });

async function hono() {
  const { Hono } = await load("hono");
  const { cloudflareAccess } = await load("@hono/cloudflare-access");
  const app = new Hono();
  app.use(cloudflareAccess(input.team, input.audience));
  app.get("*", (c) => c.json({ name: c.get("accessPayload").common_name }));
  return async (token) => {
    const response = await app.request(url, { headers: headers(token) });
    if (response.status === 401) return null;
    if (response.status !== 200) throw new Error(`${response.status}`);
    return (await response.json()).name;
  };
}

async function pagesPlugin() {
  const { default: plugin } = await load("@cloudflare/pages-plugin-cloudflare-access");
  const guard = plugin({ domain: input.domain, aud: input.audience });
  return async (token) => {
    const data = {};
    const response = await guard({
      request: new Request(url, { headers: headers(token) }),
      next: async () => Response.json({ name: data.cloudflareAccess.JWT.payload.common_name }),
      data,
      env: {},
      functionPath: "",
      waitUntil() {},
      passThroughOnException() {},
    });
    if (response.status === 302) return null;
    if (response.status !== 200) throw new Error(`${response.status}`);
    return (await response.json()).name;
  };
}

const verify = await { hono, "pages-plugin": pagesPlugin }[input.verifier]();
const believed = {};
for (const [name, token] of Object.entries(input.cases)) believed[name] = (await verify(token)) ?? null;
console.log(JSON.stringify(believed));
