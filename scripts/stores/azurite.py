"""Shared access signatures tried on Azurite, which enforces their permissions."""

import base64
import datetime
import hashlib
import hmac
import http.client
import os
import urllib.parse

from servers import Server, free_port

# The account that every Azurite has; its key is public.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER, VERSION = "policies", "2021-08-06"
# What docs/least-privilege.md says to give, and what follows from it.
MAY = {
    "push": ("rcl", {"create", "read", "list"}),
    "reader": ("rl", {"read", "list"}),
    "admin": ("rcwdl", {"create", "read", "list", "overwrite", "delete"}),
}


class Azurite(Server):
    """Microsoft's emulator of Blob storage."""

    name = "azurite"
    hint = "npm install azurite, and put azurite-blob into PATH or name it in AZURITE_BLOB"

    commands = (os.environ.get("AZURITE_BLOB") or "azurite-blob",)

    def start(self):
        self.need(*self.commands)
        self.port = free_port()
        self.spawn(*self.commands, "--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry",
                   "--blobHost", "127.0.0.1", "--blobPort", self.port)
        self.answers(self.port)
        status, body = self.call("PUT", f"/{CONTAINER}", {"restype": "container"} | sas("rcwdl", account=True))
        if status != 201:
            raise RuntimeError(f"no container: {status} {body[:300]}")

    def call(self, method, path, query, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = {"x-ms-version": VERSION, "content-length": str(len(body))} | (headers or {})
            connection.request(method, f"/{ACCOUNT}{path}?{urllib.parse.urlencode(query)}", body, sent)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


def sas(permissions, account=False):
    """A signature for the container, or for the whole account."""
    expiry = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if account:
        lines = [ACCOUNT, permissions, "b", "sco", "", expiry, "", "", VERSION, "", ""]
        query = {"ss": "b", "srt": "sco"}
    else:
        lines = [permissions, "", expiry, f"/blob/{ACCOUNT}/{CONTAINER}", "", "", "", VERSION, "c", "", "", "", "", "", "", ""]
        query = {"sr": "c"}
    mac = hmac.new(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    return query | {"sv": VERSION, "sp": permissions, "se": expiry, "sig": base64.b64encode(mac).decode()}


def try_signatures(server, said):
    blob = {"x-ms-blob-type": "BlockBlob"}
    for name, (permissions, may) in MAY.items():
        key = sas(permissions)
        there, new = f"/{CONTAINER}/zv1/r/there-{name}", f"/{CONTAINER}/zv1/r/new-{name}"
        server.call("PUT", there, sas("rcwdl"), b"there", blob)
        got = {
            "create": server.call("PUT", new, key, b"new", blob | {"if-none-match": "*"}),
            "read": server.call("GET", there, key),
            "list": server.call("GET", f"/{CONTAINER}", key | {"restype": "container", "comp": "list", "prefix": "zv1/"}),
            "overwrite": server.call("PUT", there, key, b"over", blob),
            "delete": server.call("DELETE", there, key),
        }
        for what, (status, body) in got.items():
            if (status // 100 == 2) != (what in may):
                raise AssertionError(f"azurite: a signature with {permissions} for {what}: {status} {body[:300]}")
        said(f"azurite: a signature with '{permissions}' ({name}): {', '.join(sorted(may))}, and nothing else")
