"""The whole flow with the real program on a store: what comes back is what went in."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

COMPARE = pathlib.Path(__file__).resolve().parents[1] / "compare.py"


class Machine:
    """A machine of its own: state, caches, a user's folder; and the credential it has."""

    def __init__(self, program, folder, url, client):
        self.program, self.folder, self.url, self.client = program, pathlib.Path(folder), url, client
        self.folder.mkdir(parents=True)
        (self.folder / "passphrase").write_text("correct horse battery staple\n")
        (self.folder / "passphrase").chmod(0o600)

    def run(self, *words, code=0, client=None):
        """Standard output of a command that must end so."""
        client = client or self.client
        environment = {name: os.environ[name] for name in ["PATH", "TMPDIR"] if name in os.environ} | {
            "HOME": str(self.folder), "LANG": "C.UTF-8", "TZ": "UTC",
            "ZVAULT_URL": self.url, "ZVAULT_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "AWS_ACCESS_KEY_ID": client.access, "AWS_SECRET_ACCESS_KEY": client.secret,
            "AWS_ENDPOINT_URL": client.endpoint, "AWS_REGION": client.region,
        }
        ended = subprocess.run(
            [str(self.program), *map(str, words)], env=environment, cwd=self.folder, timeout=600,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
        if ended.returncode != code:
            raise AssertionError(
                f"zvault {' '.join(map(str, words))} on {self.url}: {ended.returncode}, not {code}\n{ended.stdout}{ended.stderr}"
            )
        return ended.stdout

    def json(self, *words, **more):
        return json.loads(self.run("--json", *words, **more).splitlines()[-1])


def source(folder, seed=1):
    """Files of many sizes, links, odd names, empty ones; the same ones each time."""
    chance = random.Random(seed)
    folder = pathlib.Path(folder)
    (folder / "many").mkdir(parents=True)
    (folder / "empty folder").mkdir()
    for n in range(200):
        (folder / "many" / f"f{n:03}").write_bytes(chance.randbytes(chance.randrange(20_000)))
    (folder / "large").write_bytes(chance.randbytes(40 << 20))
    (folder / "zeros").write_bytes(bytes(9 << 20))
    (folder / "empty").touch()
    (folder / "caf\u00e9 \u96ea").write_text("text\n" * 50_000)
    (folder / "link").symlink_to("many/f001")
    os.link(folder / "many/f002", folder / "hard")
    return folder


def same(one, other):
    ended = subprocess.run([sys.executable, str(COMPARE), str(one), str(other)], capture_output=True, text=True, timeout=600)
    if ended.returncode:
        raise AssertionError(f"{one} and {other} differ\n{ended.stdout}{ended.stderr}")


def whole_flow(program, work, url, client, said):
    """init, push, push again, change and push, restore, check, a second machine; returns the first machine."""
    work = pathlib.Path(work)
    first = Machine(program, work / "first", url, client)
    data = source(work / "data")
    doctor = first.json("doctor", "--url", url)
    if doctor["num_errors"]:
        raise AssertionError(f"doctor: {json.dumps(doctor, indent=1)}")
    first.run("init")
    one = first.json("push", data)
    two = first.json("push", data)
    if two["files_new"] or two["files_changed"] or two["data_added"]:
        raise AssertionError(f"nothing changed, and yet: {two}")
    same(data, back(first, data, work / "back"))
    (data / "many/f003").write_text("changed")
    (data / "many/f004").unlink()
    first.run("push", data)
    second = Machine(program, work / "second", url, client)
    same(data, back(second, data, work / "back2"))
    second.run("push", data / "many")
    first.run("check", "--read-data")
    if len(first.json("snapshots")) != 4:
        raise AssertionError("four snapshots were made")
    first.run("check", "--keyless")
    requests = lambda push: sum(kind["requests"] for kind in push.get("requests", {}).values())
    said(f"the whole flow: creates are {doctor['stores'][0].get('conditional_create')}; first push {requests(one)} requests,"
         f" unchanged {requests(two)}")
    return first, data


def back(machine, data, target):
    machine.run("restore", "latest", "--target", target)
    return pathlib.Path(f"{target}{data}")


def least_privilege(program, work, url, server, users, set_policy, said):
    """A machine that joins with the admin's credential, and then pushes and restores with less."""
    work = pathlib.Path(work)
    machine = Machine(program, work / "machine", url, users["admin"])
    data = source(work / "data", seed=2)
    set_policy("0" * 32)
    machine.run("init")
    device = [f["message"] for f in machine.json("doctor")["findings"] if f["probe"] == "vault"][0].split()[-1]
    set_policy(device)
    push = lambda *words, **more: machine.run("push", *words, client=users["push"], **more)
    push(data)
    (data / "many/f005").write_text("changed")
    shutil.rmtree(machine.folder / ".cache", ignore_errors=True)
    push(data)
    machine.run("restore", "latest", "--target", work / "back", client=users["reader"])
    same(data, pathlib.Path(f"{work}/back{data}"))
    machine.run("check", client=users["reader"])
    machine.run("doctor", client=users["push"])
    # Another device's objects are out of reach, and so is everything for the reader.
    machine.run("push", data / "many", client=users["reader"], code=REFUSED)
    other = Machine(program, work / "other", url, users["admin"])
    other.run("snapshots")
    (data / "new").write_text("new")
    other.run("push", data, client=users["push"], code=REFUSED)
    said("the flow with little: a device pushes with s3-push.json, is restored with s3-reader.json, and other devices are out of its reach")


# No permission.
REFUSED = 13
