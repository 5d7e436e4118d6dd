"""Drives an Access API with Cloudflare's own Python SDK, unmodified.

Reads the emulator's line from standard input; prints how many calls it made.
"""

import json
import sys
import time

from cloudflare import APIStatusError, Cloudflare

site = json.load(sys.stdin)
chain = site["chain"]
calls = 0


def count(_):
    global calls
    calls += 1


client = Cloudflare(api_token=site["api_token"], base_url=site["api"], max_retries=0)
client._client.event_hooks["request"].append(count)
access = client.zero_trust.access
account = {"account_id": site["account_id"]}


def listed(pages):
    """Every id of a list; the iterator asks on until a page is empty."""
    return [item.id for item in pages]


def refused(text, call):
    try:
        call()
    except APIStatusError as error:
        assert text in error.response.text, error.response.text
        return
    raise AssertionError(f"not refused: {text}")


def settled(call):
    """Tries again while Access still deploys or detaches, as its own Terraform provider does."""
    for _ in range(100):
        try:
            return call()
        except APIStatusError as error:
            busy = ("still being updated", "active associations")
            if not any(text in error.response.text for text in busy):
                raise
            time.sleep(0.1)
    raise AssertionError("it never settled")


assert client.accounts.tokens.verify(**account).status == "active"
assert [zone.name for zone in client.zones.list()] == ["example.com"]

# Service tokens: create, list, get, update, rotate, refresh.
token = access.service_tokens.create(name="ci", duration="2160h", **account)
assert token.client_secret.startswith("cfast_") and len(token.client_secret) == 54
assert token.client_id.endswith(".access")
assert listed(access.service_tokens.list(**account)) == [token.id]
shown = access.service_tokens.get(token.id, **account)
assert shown.client_id == token.client_id and not hasattr(shown, "client_secret")
renamed = access.service_tokens.update(token.id, name="ci-2", duration="forever", **account)
assert renamed.name == "ci-2"
rotated = access.service_tokens.rotate(
    token.id, previous_client_secret_expires_at="2099-01-01T00:00:00Z", **account
)
assert rotated.client_id == token.client_id and rotated.client_secret != token.client_secret
access.service_tokens.refresh(token.id, **account)

# A second page: 25 to a page where nobody asks for more.
for number in range(30):
    access.service_tokens.create(name=f"t{number}", **account)
assert len(listed(access.service_tokens.list(**account))) == 31
assert len(listed(access.service_tokens.list(per_page=10, **account))) == 31

# Groups.
group = access.groups.create(
    name="fleet", include=[{"common_name": {"common_name": "device-1"}}], **account
)
assert listed(access.groups.list(**account)) == [group.id]
group = access.groups.update(
    group.id,
    name="fleet",
    include=[{"service_token": {"token_id": token.id}}],
    exclude=[{"common_name": {"common_name": "device-9"}}],
    **account,
)
assert access.groups.get(group.id, **account).name == "fleet"

# An application and its policies.
app = access.applications.create(
    type="self_hosted", domain="api.example.com", name="api", **account
)
assert len(app.aud) == 64
policies = access.applications.policies
policy = policies.create(
    app.id,
    extra_body={
        "name": "fleet (mTLS)",
        "decision": "non_identity",
        "include": [{"group": {"id": group.id}}],
        "precedence": 1,
    },
    **account,
)
assert listed(policies.list(app.id, **account)) == [policy.id]
policy = policies.update(
    policy.id,
    app_id=app.id,
    extra_body={
        "name": "fleet (mTLS)",
        "decision": "non_identity",
        "include": [{"group": {"id": group.id}}],
        "precedence": 2,
    },
    **account,
)
assert policies.get(policy.id, app_id=app.id, **account).precedence == 2
reusable = access.policies.create(
    name="shared", decision="allow", include=[{"email": {"email": "a@example.com"}}], **account
)
app = access.applications.update(
    app.id,
    type="self_hosted",
    domain="api.example.com",
    name="api-2",
    policies=[{"id": policy.id, "precedence": 1}, {"id": reusable.id, "precedence": 2}],
    **account,
)
assert access.policies.get(reusable.id, **account).app_count == 1
assert [one.id for one in access.applications.get(app.id, **account).policies] == [
    policy.id,
    reusable.id,
]
assert listed(access.applications.list(**account)) == [app.id]
assert listed(access.policies.list(**account)) == [reusable.id]

# A CA, its hostnames and their settings.
certificates = access.certificates
ca = certificates.create(name="devices", certificate=chain, **account)
assert ca.fingerprint.startswith("MD5 Fingerprint=")
ca = certificates.update(ca.id, associated_hostnames=["api.example.com"], **account)
assert certificates.get(ca.id, **account).associated_hostnames == ["api.example.com"]
assert listed(certificates.list(**account)) == [ca.id]
setting = {
    "hostname": "api.example.com",
    "china_network": False,
    "client_certificate_forwarding": True,
}
refused("still being updated", lambda: certificates.settings.update(settings=[setting], **account))
settings = settled(lambda: certificates.settings.update(settings=[setting], **account))
assert [one.hostname for one in settings] == ["api.example.com"]
assert [one.hostname for one in certificates.settings.get(**account)] == ["api.example.com"]
refused("active associations", lambda: certificates.delete(ca.id, **account))

# Everything goes again, in the order that Access forces.
refused("service_token_in_use", lambda: access.service_tokens.delete(token.id, **account))
policies.delete(policy.id, app_id=app.id, **account)
access.applications.delete(app.id, **account)
access.policies.delete(reusable.id, **account)
access.groups.delete(group.id, **account)
assert access.service_tokens.delete(token.id, **account).id == token.id
settled(lambda: certificates.update(ca.id, associated_hostnames=[], **account))
refused("active associations", lambda: certificates.delete(ca.id, **account))
settled(lambda: certificates.delete(ca.id, **account))
assert listed(certificates.list(**account)) == []
refused("not_found", lambda: access.applications.get(app.id, **account))

organization = client.zero_trust.organizations.update(
    extra_body={"strict_service_token_auth": True}, **account
)
assert client.zero_trust.organizations.list(**account).auth_domain == organization.auth_domain
client.zero_trust.access.keys.rotate(**account)
assert client.zero_trust.access.keys.get(**account) is not None
assert client.zero_trust.access.logs.access_requests.list(**account) == []

print(json.dumps({"calls": calls}))
