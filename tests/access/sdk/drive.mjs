// Drives an Access API with Cloudflare's own Node SDK, unmodified. Reads the emulator's line from
// standard input; prints how many calls it made.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";

// From the folder that this is run in, not from the script's own.
const Cloudflare = createRequire(`${process.cwd()}/`)("cloudflare");

const site = JSON.parse(readFileSync(0, "utf8"));
let calls = 0;
const client = new Cloudflare({
  apiToken: site.api_token,
  baseURL: site.api,
  maxRetries: 0,
  fetch: (url, init) => {
    calls += 1;
    return fetch(url, init);
  },
});
const access = client.zeroTrust.access;
const account_id = site.account_id;
const account = { account_id };

async function listed(pages) {
  const ids = [];
  for await (const item of pages) ids.push(item.id);
  return ids;
}

// Tries again while Access still deploys or detaches.
async function settled(call) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!/still being updated|active associations/.test(error.message)) throw error;
      await setTimeout(100);
    }
  }
  throw new Error("it never settled");
}

assert.equal((await client.accounts.tokens.verify(account)).status, "active");

const token = await access.serviceTokens.create({ ...account, name: "ci", duration: "720h" });
assert.match(token.client_secret, /^cfast_[A-Za-z0-9]{48}$/);
assert.deepEqual(await listed(access.serviceTokens.list(account)), [token.id]);
const shown = await access.serviceTokens.get(token.id, account);
assert.equal(shown.client_id, token.client_id);
assert.equal(shown.client_secret, undefined);
await access.serviceTokens.update(token.id, { ...account, name: "ci-2" });
const rotated = await access.serviceTokens.rotate(token.id, account);
assert.equal(rotated.client_id, token.client_id);
assert.notEqual(rotated.client_secret, token.client_secret);
await access.serviceTokens.refresh(token.id, account);

const group = await access.groups.create({
  ...account,
  name: "fleet",
  include: [{ common_name: { common_name: "device-1" } }],
});
await access.groups.update(group.id, {
  ...account,
  name: "fleet",
  include: [{ service_token: { token_id: token.id } }],
});
assert.equal((await access.groups.get(group.id, account)).name, "fleet");
assert.deepEqual(await listed(access.groups.list(account)), [group.id]);

const app = await access.applications.create({
  ...account,
  type: "self_hosted",
  domain: "node.example.com",
  name: "node",
});
const rules = {
  name: "fleet (service token)",
  decision: "non_identity",
  include: [{ group: { id: group.id } }],
};
const policy = await access.applications.policies.create(app.id, { ...account, ...rules });
assert.deepEqual(await listed(access.applications.policies.list(app.id, account)), [policy.id]);
await access.applications.policies.update(policy.id, { ...account, app_id: app.id, ...rules });
const got = await access.applications.policies.get(policy.id, { ...account, app_id: app.id });
assert.equal(got.id, policy.id);
const reusable = await access.policies.create({
  ...account,
  name: "shared",
  decision: "deny",
  include: [{ everyone: {} }],
});
assert.deepEqual(await listed(access.policies.list(account)), [reusable.id]);
await access.policies.update(reusable.id, {
  ...account,
  name: "shared",
  decision: "deny",
  include: [{ ip: { ip: "203.0.113.0/24" } }],
});
assert.equal((await access.policies.get(reusable.id, account)).app_count, 0);
await access.applications.update(app.id, {
  ...account,
  type: "self_hosted",
  domain: "node.example.com",
  name: "node-2",
  policies: [{ id: policy.id, precedence: 1 }],
});
assert.equal((await access.applications.get(app.id, account)).name, "node-2");
assert.deepEqual(await listed(access.applications.list(account)), [app.id]);

const ca = await access.certificates.create({
  ...account,
  name: "devices",
  certificate: site.chain,
});
await access.certificates.update(ca.id, {
  ...account,
  associated_hostnames: ["node.example.com"],
});
assert.equal((await access.certificates.get(ca.id, account)).name, "devices");
assert.deepEqual(await listed(access.certificates.list(account)), [ca.id]);
const setting = {
  hostname: "node.example.com",
  china_network: false,
  client_certificate_forwarding: true,
};
await settled(() => access.certificates.settings.update({ ...account, settings: [setting] }));
const settings = await access.certificates.settings.get(account);
assert.deepEqual(settings.result.map((one) => one.hostname), ["node.example.com"]);

await assert.rejects(access.serviceTokens.delete(token.id, account), /service_token_in_use/);
await access.applications.policies.delete(policy.id, { ...account, app_id: app.id });
await access.applications.delete(app.id, account);
await access.policies.delete(reusable.id, account);
await access.groups.delete(group.id, account);
await access.serviceTokens.delete(token.id, account);
await settled(() =>
  access.certificates.update(ca.id, { ...account, associated_hostnames: [] }),
);
await settled(() => access.certificates.delete(ca.id, account));
await assert.rejects(access.applications.get(app.id, account), /not_found/);

console.log(JSON.stringify({ calls }));
