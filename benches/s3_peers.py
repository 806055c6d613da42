#!/usr/bin/env python3
"""zvault beside restic and rustic on one S3 server, with the same delay added to every request.

    scripts/servers && cargo build --release && cargo build --release --example fault_proxy
    benches/s3_peers.py --tree DIR --file PATH/IN/TREE --work DIR [--tools zvault,restic,rustic] [--runs 3] [--latency 50ms]
        [--mbit 100]

Steps: a first push of the tree, a push of the unchanged tree, the whole tree restored and one small file restored, both
without any local cache. --mbit limits the link in both directions, and a column tells which share of it the first push
and the whole restore filled, with the bytes of the repository over the time of the whole program. The server is MiniStack (scripts/servers installs it), the delay comes from the fault proxy of the tests; both listen on
loopback only. Runs are interleaved tool by tool and the medians printed: wall seconds, CPU seconds, peak memory.
Tools come from PATH, or from ZVAULT, RUSTIC, RESTIC.
"""

import argparse
import html
import http.client
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOOLS = {name: os.environ.get(name.upper(), name) for name in ("zvault", "restic", "rustic")}
PASSPHRASE = "benchmark-passphrase"
STEPS = ("first", "unchanged", "whole", "one file")


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    stack, at, key = ministack(args.work)
    proxy, through = fault_proxy(at, args.latency, args.mbit)
    rows = {}
    try:
        for run in range(args.runs):
            for tool in args.tools.split(","):
                bucket = f"bench-{tool}-{run}"
                as_root(at, "s3", "PUT", f"/{bucket}")
                for step, figures in steps(tool, bucket, (at, through), key, args, run):
                    rows.setdefault((tool, step), []).append(figures)
                    print(run, tool, step, " ".join(f"{figure:.2f}" for figure in figures), flush=True)
    finally:
        for server in (proxy, stack):
            server.terminate()
            server.wait()
    table(rows, args.tools.split(","))


def steps(tool, bucket, servers, key, args, run):
    """Does the work with one tool, and gives (step, figures) for each step."""
    at, through = servers
    home = args.work / f"home-{tool}-{run}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    program, env, init, push, whole, one = commands(tool, bucket, through, key, args, home)
    measure([program, *init], env)

    def fresh():
        for folder in (home / "cache", home / "zvault-cache", out):
            shutil.rmtree(folder, ignore_errors=True)

    def share(figures):
        """Of the link."""
        return figures + ((size(at, bucket) * 8 / (args.mbit * 1e6) / figures[0]) if args.mbit else float("nan"),)

    out = args.work / "out"
    yield "first", share(measure([program, *push], env))
    yield "unchanged", measure([program, *push], env) + (float("nan"),)
    fresh()
    figures = share(measure([program, *whole(out)], env))
    if files(out) != files(args.tree):
        sys.exit(f"{tool} did not restore the tree")
    yield "whole", figures
    fresh()
    figures = measure([program, *one(out)], env) + (float("nan"),)
    found = [path for path in out.rglob(args.file.name) if path.is_file()]
    if len(found) != 1 or found[0].read_bytes() != (args.tree / args.file).read_bytes():
        sys.exit(f"{tool} did not restore {args.file}")
    yield "one file", figures
    shutil.rmtree(home)
    shutil.rmtree(out)


def files(tree):
    """How many there are, and their bytes. Whether what is in them is right is for tests, and for the one file."""
    sizes = [path.lstat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    return len(sizes), sum(sizes)


def size(at, bucket):
    """Bytes in a bucket."""
    total, after = 0, ""
    while True:
        page = as_root(at, "s3", "GET", f"/{bucket}?list-type=2&start-after={urllib.parse.quote(after, safe='')}")
        keys = re.findall("<Key>(.*?)</Key>", page)
        total += sum(map(int, re.findall("<Size>(\\d+)</Size>", page)))
        if not keys or "<IsTruncated>true" not in page:
            return total
        after = html.unescape(keys[-1])


def commands(tool, bucket, through, key, args, home):
    program = TOOLS[tool]
    tree, path = args.tree, args.tree / args.file
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "AWS_ACCESS_KEY_ID": key[0],
        "AWS_SECRET_ACCESS_KEY": key[1],
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    endpoint = f"http://{through}"
    if tool == "restic":
        env |= {"RESTIC_REPOSITORY": f"s3:{endpoint}/{bucket}", "RESTIC_PASSWORD": PASSPHRASE}
        whole = lambda out: ["restore", "latest", "--target", str(out)]
        one = lambda out: ["--no-cache", "restore", "latest", "--target", str(out), "--include", str(path)]
        return program, env, ["init"], ["backup", str(tree)], whole, one
    if tool == "rustic":
        profile = home / ".config" / "rustic" / "rustic.toml"
        profile.parent.mkdir(parents=True)
        profile.write_text(
            f"""[repository]
repository = "opendal:s3"
password = "{PASSPHRASE}"

[repository.options]
bucket = "{bucket}"
root = "/"
endpoint = "{endpoint}"
region = "us-east-1"
access_key_id = "{key[0]}"
secret_access_key = "{key[1]}"
"""
        )
        env |= {"RUSTIC_NO_PROGRESS": "true"}
        whole = lambda out: ["restore", f"latest:{tree}", str(out)]
        one = lambda out: ["--no-cache", "restore", f"latest:{path}", str(out / args.file.name)]
        return program, env, ["init"], ["backup", str(tree)], whole, one
    env |= {
        "ZVAULT_URL": f"s3://{bucket}/vault",
        "ZVAULT_PASSPHRASE": PASSPHRASE,
        "ZVAULT_HOME": str(home / "zvault"),
        "ZVAULT_CACHE_DIR": str(home / "zvault-cache"),
        "ZVAULT_NO_PROGRESS": "1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    whole = lambda out: ["restore", "latest", "--target", str(out)]
    one = lambda out: ["restore", f"latest:{path}", "--target", str(out)]
    return program, env, ["init"], ["push", str(tree)], whole, one


def measure(argv, env):
    start = time.perf_counter()
    with open(pathlib.Path(env["HOME"]) / "log", "ab") as log:
        child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _, status, use = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"failed: {' '.join(map(str, argv))}; see {env['HOME']}/log")
    return wall, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024


def table(rows, tools):
    print(f"\n{'step':10} {'tool':8} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'of the link':>11} {'zvault / it':>12}")
    for step in STEPS:
        ours = statistics.median(row[0] for row in rows[("zvault", step)]) if "zvault" in tools else float("nan")
        for tool in tools:
            wall, cpu, peak, share = (statistics.median(column) for column in zip(*rows[(tool, step)]))
            print(f"{step:10} {tool:8} {wall:8.2f} {cpu:8.2f} {peak:9.0f} {share:11.2f} {ours / wall:12.2f}")


def ministack(work):
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,sts,iam",
        "LOG_LEVEL": "WARNING",
        "AWS_ACCESS_KEY_ID": "ROOTOFTHEBENCHMARK",
        "AWS_SECRET_ACCESS_KEY": "unused",
    }
    python = TARGET / "servers" / "ministack" / "bin" / "python"
    server = subprocess.Popen([python, "-m", "ministack"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    at = f"127.0.0.1:{port}"
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    # The signature of the root key is never checked, so the tools get a user's.
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    iam(at, Action="CreateUser", UserName="bench")
    iam(at, Action="PutUserPolicy", UserName="bench", PolicyName="all", PolicyDocument=policy)
    answer = iam(at, Action="CreateAccessKey", UserName="bench")
    return server, at, tuple(re.search(f"<{name}>(.*?)</{name}>", answer)[1] for name in ("AccessKeyId", "SecretAccessKey"))


def iam(at, **form):
    return as_root(at, "iam", "POST", "/", urllib.parse.urlencode({"Version": "2010-05-08", **form}))


def as_root(at, service, method, path, body=""):
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"ROOTOFTHEBENCHMARK/{now[:8]}/us-east-1/{service}/aws4_request"
    headers = {
        "X-Amz-Date": now,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00",
    }
    if service == "iam":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection = http.client.HTTPConnection(at)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    text = reply.read().decode()
    if reply.status != 200:
        sys.exit(f"MiniStack refuses {method} {path}: {reply.status} {text}")
    return text


def fault_proxy(at, latency, mbit):
    argv = [TARGET / "release" / "examples" / "fault_proxy", "--to", at, "--latency", latency]
    if mbit:
        argv += ["--limit-up", str(mbit * 125_000), "--limit-down", str(mbit * 125_000)]
    proxy = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    return proxy, proxy.stdout.readline().strip()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=pathlib.Path, required=True)
    parser.add_argument("--file", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--tools", default="zvault,restic,rustic")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--latency", default="50ms")
    parser.add_argument("--mbit", type=int)
    args = parser.parse_args()
    args.tree, args.work = args.tree.resolve(), args.work.resolve()
    return args


if __name__ == "__main__":
    main()
