"""The policies of docs/policies, each tried on a server that enforces it: what they allow works, and nothing else does."""

import base64
import hashlib
import json
import pathlib
import time

POLICIES = pathlib.Path(__file__).resolve().parents[2] / "docs/policies"
OWN, OTHER, COLLECTOR = "11" * 16, "22" * 16, "33" * 16
HASH = "ab" * 32
BUCKET = "policies"


def names(device):
    return {kind: f"zv1/{kind}/{device}/{HASH}" for kind in "ptixc"} | {"l": f"zv1/l/{device}/{1:016x}-{HASH}"}


ROSTER = f"zv1/r/{0:08x}-{HASH}"
MAIL = f"zv1/m/{OWN}/00-{HASH}"
PROBE = "zv1-doctor/1234"

# What each credential may do. Everything that is not named here must be refused.
MAY = {
    "push": {
        "get": [ROSTER, *(names(d)[k] for d in [OTHER, COLLECTOR] for k in "lixtc"), *names(OWN).values()],
        "put": [*names(OWN).values()],
        "list": ["", "zv1/", "zv1/r/", "zv1/l/", f"zv1/l/{OTHER}/", f"zv1/l/{COLLECTOR}/", f"zv1/p/{OTHER}/", "zv1/x/",
                 *(f"zv1/{k}/{OWN}/" for k in "ptil"), "zv1-doctor/"],
    },
    "push-only": {
        "get": [ROSTER, names(OTHER)["x"], names(OWN)["x"], *(names(OWN)[k] for k in "ptil"), names(COLLECTOR)["l"], names(COLLECTOR)["x"]],
        "put": [names(OWN)[k] for k in "ptil"],
        "list": ["zv1/r/", "zv1/x/", f"zv1/l/{COLLECTOR}/", *(f"zv1/{k}/{OWN}/" for k in "ptil"), "zv1-doctor/"],
    },
    "reader": {
        "get": [ROSTER, MAIL, *(n for d in [OWN, OTHER, COLLECTOR] for n in names(d).values())],
        "put": [],
        "list": ["", "zv1/", "zv1/r/", "zv1/l/", f"zv1/l/{OTHER}/", f"zv1/l/{COLLECTOR}/", f"zv1/p/{OTHER}/", "zv1/x/",
                 *(f"zv1/{k}/{OWN}/" for k in "ptil"), "zv1-doctor/"],
    },
}
OBJECTS = [ROSTER, MAIL, *(n for d in [OWN, OTHER, COLLECTOR] for n in names(d).values())]
MAY["admin"] = MAY["reader"] | {"put": OBJECTS, "delete": OBJECTS}
LISTS = MAY["reader"]["list"]


def text(name, **places):
    """A policy of docs/policies with its placeholders filled in."""
    policy = (POLICIES / name).read_text()
    for place, value in ({"COLLECTOR": COLLECTOR, "DEVICE": OWN, "BUCKET": BUCKET} | places).items():
        policy = policy.replace(place, value)
    json.loads(policy)
    return policy


def try_policies(server, said):
    """All of it. `server` has `owner`, `user(name)`, `principal(name)`, and `attach(name, policy)` where it has IAM."""
    users = {name: server.user(name) for name in MAY}
    server.owner.must("PUT", f"/{BUCKET}")
    for key in OBJECTS:
        server.owner.must("PUT", f"/{BUCKET}/{key}", body=b"there")
    stranger = server.user("stranger")

    if hasattr(server, "attach"):
        for name in MAY:
            server.attach(name, text(f"s3-{name}.json"))
            said(f"{server.name}: s3-{name}.json as an IAM policy: {matrix(server, users[name], name)} requests")
            server.attach(name, '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:CreateBucket","Resource":"*"}]}')
            expect(users[name].call("GET", f"/{BUCKET}/{ROSTER}"), False, f"{name} without its policy")

    arns = {f"{name.upper()}-ARN": server.principal(name) for name in sorted(MAY, key=len, reverse=True)}
    server.owner.must("PUT", f"/{BUCKET}", {"policy": ""}, text("s3-bucket.json", **arns))
    for name in MAY:
        said(f"{server.name}: s3-{name}.json in the bucket's policy: {matrix(server, users[name], name)} requests")
    for method, path in [("GET", ROSTER), ("PUT", PROBE), ("GET", "")]:
        expect(stranger.call(method, f"/{BUCKET}/{path}"), False, f"a stranger's {method} {path}")


def matrix(server, user, name):
    """Asks for everything there is, and compares each answer with `MAY`. The number of requests."""
    may, asked = MAY[name], 0

    def ask(allowed, what, *request, **more):
        nonlocal asked
        asked += 1
        expect(user.call(*request, **more), allowed, f"{name}: {what}")

    for key in OBJECTS:
        ask(key in may["get"], f"GET {key}", "GET", f"/{BUCKET}/{key}")
        ask(key in may["get"], f"GET {key} in part", "GET", f"/{BUCKET}/{key}", headers={"range": "bytes=0-1"})
        ask(key in may["put"], f"PUT {key}", "PUT", f"/{BUCKET}/{key}", body=b"again")
        ask(key in may.get("delete", []), f"DELETE {key}", "DELETE", f"/{BUCKET}/{key}")
        server.owner.must("PUT", f"/{BUCKET}/{key}", body=b"there")
    for prefix in LISTS:
        query = {"list-type": "2", "prefix": prefix}
        ask(prefix in may["list"], f"LIST {prefix or 'everything'}", "GET", f"/{BUCKET}", query=query)
    ask("" in may["list"], "LIST without a prefix", "GET", f"/{BUCKET}", query={"list-type": "2"})
    for method in ["PUT", "GET", "DELETE"]:
        ask(True, f"{method} {PROBE}", method, f"/{BUCKET}/{PROBE}", body=b"probe" if method == "PUT" else b"")
    for key in ["elsewhere", "zv1", "zv12/r/x"]:
        ask(False, f"PUT {key}", "PUT", f"/{BUCKET}/{key}", body=b"x")
    for what in ["policy", "lifecycle", "versioning", "acl", "object-lock"]:
        ask(False, f"PUT ?{what}", "PUT", f"/{BUCKET}", query={what: ""}, body=b"{}")
    return asked


def expect(answer, allowed, what):
    status, body, _ = answer
    if (status // 100 == 2) != allowed or (not allowed and status not in (400, 403, 501)):
        raise AssertionError(f"{what}: {status}, and should be {'allowed' if allowed else 'refused'}\n{body[:400].decode(errors='replace')}")


def try_no_overwrite(server, said):
    """Whether the server enforces s3-no-overwrite.json; those that do not are to say so when the policy is set."""
    bucket = "no-overwrite"
    server.owner.must("PUT", f"/{bucket}")
    status, body, _ = server.owner.call("PUT", f"/{bucket}", {"policy": ""}, text("s3-no-overwrite.json", BUCKET=bucket))
    if status // 100 != 2:
        said(f"{server.name}: s3-no-overwrite.json is refused when it is set ({status})")
        return
    key, once = f"/{bucket}/{ROSTER}", {"if-none-match": "*"}
    first = server.owner.call("PUT", key, body=b"first", headers=once)[0]
    again = server.owner.call("PUT", key, body=b"again", headers=once)[0]
    over = server.owner.call("PUT", key, body=b"over")[0]
    verdict = {(200, 412, 403): "enforced", (403, 403, 403): "refuses every upload here", (200, 412, 200): "ignored"}
    verdict = verdict.get((first, again, over), "odd")
    said(f"{server.name}: s3-no-overwrite.json: {verdict} (create {first}, create again {again}, overwrite {over})")


def try_locks(server, said):
    """Object Lock with a default retention, versions, and the lifecycle rules."""
    bucket = "locked"
    owner = server.owner
    owner.must("PUT", f"/{bucket}", headers={"x-amz-bucket-object-lock-enabled": "true"})
    lock = json.loads((POLICIES / "s3-object-lock.json").read_text())
    retention = lock["Rule"]["DefaultRetention"]
    xml = ("<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
           f"<Mode>{retention['Mode']}</Mode><Days>{retention['Days']}</Days></DefaultRetention></Rule></ObjectLockConfiguration>")
    owner.must("PUT", f"/{bucket}", {"object-lock": ""}, xml, md5(xml))
    key = f"/{bucket}/{ROSTER}"
    bare = owner.call("PUT", key, body=b"bare")[0]
    version = owner.must("PUT", key, body=b"locked", headers=md5("locked"))[1].get("x-amz-version-id")
    shown = owner.must("HEAD", key)[1].get("x-amz-object-lock-mode")
    marker = owner.call("DELETE", key)[0]
    hidden = owner.call("GET", key)[0]
    gone = owner.call("DELETE", key, {"versionId": version})[0]
    still = owner.must("GET", key, {"versionId": version})[0]
    if (shown, marker // 100, hidden, gone // 100, still) != (retention["Mode"], 2, 404, 4, b"locked"):
        raise AssertionError(f"Object Lock does not hold: {shown=} {marker=} {hidden=} {gone=} {still=}")
    said(f"{server.name}: Object Lock: a version under retention stays ({gone}); DELETE hides it only; an upload without checksum: {bare}")
    for name in ["s3-lifecycle.json", "s3-lifecycle-cold.json"]:
        xml = lifecycle_xml(json.loads((POLICIES / name).read_text()))
        status, body, _ = owner.call("PUT", f"/{bucket}", {"lifecycle": ""}, xml, md5(xml))
        kept = owner.call("GET", f"/{bucket}", {"lifecycle": ""})[1].decode()
        taken = status // 100 == 2 and "zv1/" in kept
        said(f"{server.name}: {name}: {'taken' if taken else f'refused ({status}) ' + body[:200].decode(errors='replace')}")


def lifecycle_xml(value, tag="LifecycleConfiguration"):
    """The XML of S3's own API for what the command line of AWS takes as JSON."""
    singular = {"Rules": "Rule", "Transitions": "Transition"}
    if isinstance(value, dict):
        inner = ""
        for name, part in value.items():
            parts = part if isinstance(part, list) else [part]
            inner += "".join(lifecycle_xml(part, singular.get(name, name)) for part in parts)
        return f"<{tag}>{inner}</{tag}>"
    return f"<{tag}>{str(value).lower() if isinstance(value, bool) else value}</{tag}>"


def md5(body):
    body = body.encode() if isinstance(body, str) else body
    return {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
