"""Two verifiers of Access's assertions, unmodified: PyJWT and allowedflare.

Reads {verifier, domain, keys, audience, cases} from standard input; prints for each case the common
name that was believed, or null.
"""

import json
import os
import sys

given = json.load(sys.stdin)


def pyjwt(token):
    import jwt

    if token is None:
        return None
    try:
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=given["audience"],
            issuer=given["domain"],
        )
    except jwt.PyJWTError:
        return None
    return claims["common_name"]


def allowedflare(token):
    from allowedflare import authenticate

    cookies = {} if token is None else {"CF_Authorization": token}
    name, _error, _message, _claims = authenticate(cookies)
    return name or None


if given["verifier"] == "pyjwt":
    from jwt import PyJWKClient

    keys = PyJWKClient(given["keys"])
    verify = pyjwt
else:
    os.environ["ALLOWEDFLARE_ACCESS_URL"] = given["domain"]
    os.environ["ALLOWEDFLARE_AUDIENCE"] = given["audience"]
    verify = allowedflare

print(json.dumps({name: verify(token) for name, token in given["cases"].items()}))
