"""A small S3 client, so that what a server allows is asked by something that knows nothing of zvault."""

import datetime
import hashlib
import hmac
import http.client
import re
import urllib.parse


class S3:
    """Requests to one server as one user, signed with version 4. Paths are `/bucket/key`."""

    def __init__(self, endpoint, access, secret, region="us-east-1", service="s3"):
        self.url = urllib.parse.urlsplit(endpoint)
        self.endpoint, self.access, self.secret = endpoint, access, secret
        self.region, self.service = region, service

    def call(self, method, path, query=None, body=b"", headers=None):
        """(status, body, headers). Nothing is raised for a status."""
        body = body.encode() if isinstance(body, str) else body
        path = urllib.parse.quote(path, safe="/-_.~")
        query = "&".join(
            f"{quoted(name)}={quoted(value)}" for name, value in sorted((query or {}).items())
        )
        now = datetime.datetime.now(datetime.timezone.utc)
        sent = {
            "host": self.url.netloc,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        sent["authorization"] = self.signature(method, path, query, sent, now)
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
        try:
            connection.request(method, path + ("?" + query if query else ""), body, sent)
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers
        finally:
            connection.close()

    def signature(self, method, path, query, headers, now):
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
        request = "\n".join([method, path, query, lines, names, headers["x-amz-content-sha256"]])
        scope = f"{now:%Y%m%d}/{self.region}/{self.service}/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest])
        key = b"AWS4" + self.secret.encode()
        for part in [f"{now:%Y%m%d}", self.region, self.service, "aws4_request"]:
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signed = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, Signature={signed}"

    def must(self, method, path, query=None, body=b"", headers=None):
        """The same; anything but success is an error."""
        status, reply, got = self.call(method, path, query, body, headers)
        if status // 100 != 2:
            raise RuntimeError(f"{method} {path} {query or ''}: {status} {reply[:600].decode(errors='replace')}")
        return reply, got

    def keys(self, bucket, prefix=""):
        """All keys below a prefix."""
        keys, after = [], ""
        while True:
            query = {"list-type": "2", "prefix": prefix} | ({"start-after": after} if after else {})
            reply = self.must("GET", f"/{bucket}", query)[0].decode()
            page = re.findall("<Key>([^<]*)</Key>", reply)
            keys += page
            if "<IsTruncated>true" not in reply or not page:
                return keys
            after = page[-1]


def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")
