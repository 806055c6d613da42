"""Servers on loopback, started here and ended by their process ids."""

import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import time
import urllib.parse
import uuid

from s3 import S3


class Missing(Exception):
    """The server is not installed. Says how to get it."""


class Server:
    """Processes and a folder. `with Server(folder) as server:` ends what it started, in reverse order."""

    packages = ()
    commands = ()

    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / self.name
        self.folder.mkdir(parents=True)
        self.running = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for process in reversed(self.running):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running = []

    def spawn(self, *command, env=None):
        with open(self.folder / f"{pathlib.Path(command[0]).name}.{len(self.running)}.log", "wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=os.environ | (env or {}),
            )
        self.running.append(process)
        return process

    def tool(self, *command, env=None):
        """The output of a command that must succeed."""
        ended = subprocess.run(
            [str(part) for part in command], cwd=self.folder, env=os.environ | (env or {}), timeout=120,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
        if ended.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
        return ended.stdout

    def answers(self, port, seconds=60):
        """Waits until something listens, unless what was started has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for process in self.running:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args[0]} ended with {process.returncode}; its log is in {self.folder}")
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"nothing listens on port {port}; the logs are in {self.folder}")

    @classmethod
    def need(cls, *commands):
        for command in commands:
            if not found(command):
                if cls.packages:
                    raise Missing(f"{command} is not there: apt-get install {' '.join(cls.packages)}")
                raise Missing(f"{command} is not there: {cls.hint}")


class RadosGw(Server):
    """Ceph's S3: one monitor, one OSD in memory, one gateway. Versions, Object Lock and bucket policies are real."""

    name = "radosgw"
    packages = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
    commands = ("ceph-mon", "ceph-osd", "ceph", "radosgw", "radosgw-admin", "monmaptool", "ceph-authtool")

    def start(self):
        self.need(*self.commands)
        mon, gateway = free_port(), free_port()
        fsid, osd = uuid.uuid4(), uuid.uuid4()
        here = self.folder
        for name in ["mon", "osd", "run"]:
            (here / name).mkdir()
        self.conf = here / "ceph.conf"
        self.conf.write_text(f"""\
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{mon}
public_network = 127.0.0.0/8
keyring = {here}/keyring
run_dir = {here}/run
admin_socket = {here}/run/$name.asok
log_file = {here}/$name.log
pid_file = {here}/run/$name.pid
setuser_match_path =
mon_data = {here}/mon
osd_data = {here}/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
# A disk that is nearly full is the business of whoever runs this; nothing of this is kept.
mon_data_avail_crit = 1
mon_data_avail_warn = 1
mon_max_pg_per_osd = 1000
mon_warn_on_pool_no_redundancy = false
rgw_lc_debug_interval = 10
""")
        # Without keys the gateway of this version does not come up, so everybody has one, in one file.
        for name, caps in [("mon.", ["mon"]), ("client.admin", ["mon", "osd", "mgr"]), ("osd.0", ["mon", "osd"]), ("client.rgw", ["mon", "osd"])]:
            allowed = [word for cap in caps for word in ("--cap", cap, "allow *")]
            create = [] if (here / "keyring").exists() else ["--create-keyring"]
            self.tool("ceph-authtool", *create, here / "keyring", "--gen-key", "-n", name, *allowed)
        self.tool("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon}]", here / "monmap")
        self.tool("ceph-mon", "-c", self.conf, "--mkfs", "-i", "a", "--monmap", here / "monmap", "--keyring", here / "keyring")
        self.spawn("ceph-mon", "-c", self.conf, "-f", "-i", "a")
        self.answers(mon)
        self.tool("ceph", "-c", self.conf, "osd", "new", osd)
        self.tool("ceph-osd", "-c", self.conf, "--mkfs", "-i", "0", "--osd-uuid", osd)
        self.spawn("ceph-osd", "-c", self.conf, "-f", "-i", "0")
        self.spawn(
            "radosgw", "-c", self.conf, "-f", "-n", "client.rgw",
            f"--rgw-frontends=beast endpoint=127.0.0.1:{gateway} tcp_nodelay=1",
        )
        self.answers(gateway)
        self.endpoint = f"http://127.0.0.1:{gateway}"
        self.owner = self.user("owner")

    def user(self, name):
        """A user with a key."""
        access, secret = secrets.token_hex(10), secrets.token_hex(20)
        self.tool(
            "radosgw-admin", "-c", self.conf, "user", "create", f"--uid={name}", f"--display-name={name}",
            f"--access-key={access}", f"--secret-key={secret}",
        )
        return S3(self.endpoint, access, secret, "default")

    @staticmethod
    def principal(name):
        return f"arn:aws:iam:::user/{name}"


class Swift(Server):
    """OpenStack's Swift with its S3 interface, on one disk with one replica. Refuses conditional writes."""

    name = "swift"
    packages = ("swift-proxy", "swift-account", "swift-container", "swift-object")
    commands = ("swift-ring-builder", "swift-proxy-server", "swift-account-server", "swift-container-server", "swift-object-server")

    def start(self):
        self.need(*self.commands)
        here, user = self.folder, os.environ.get("USER") or "root"
        (here / "devices/d1").mkdir(parents=True)
        (here / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = tests\nswift_hash_path_prefix = tests\n")
        env = {"SWIFT_DIR": str(here)}
        ports = {kind: free_port() for kind in ["account", "container", "object", "proxy"]}
        for kind in ["account", "container", "object"]:
            builder = here / f"{kind}.builder"
            self.tool("swift-ring-builder", builder, "create", "4", "1", "0")
            self.tool("swift-ring-builder", builder, "add", f"r1z1-127.0.0.1:{ports[kind]}/d1", "1")
            self.tool("swift-ring-builder", builder, "rebalance")
            (here / f"{kind}-server.conf").write_text(f"""\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {ports[kind]}
devices = {here}/devices
swift_dir = {here}
mount_check = false
workers = 0
user = {user}
log_facility =
log_address =
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
""")
        access, secret = "tests:owner", secrets.token_hex(16)
        (here / "proxy-server.conf").write_text(f"""\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {ports['proxy']}
swift_dir = {here}
workers = 0
user = {user}
[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats s3api tempauth copy slo dlo proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_tests_owner = {secret} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
""")
        for kind in ["account", "container", "object", "proxy"]:
            self.spawn(f"swift-{kind}-server", here / f"{kind}-server.conf", "-v", env=env)
            self.answers(ports[kind])
        self.endpoint = f"http://127.0.0.1:{ports['proxy']}"
        self.owner = S3(self.endpoint, access, secret)


class Garage(Server):
    """Garage: distributed by design, ignores conditional writes without saying so. Names of buckets have three letters."""

    name = "garage"
    hint = "cargo install garage --locked (up to half an hour), or --install"
    commands = ("garage",)

    def start(self):
        self.need(*self.commands)
        here = self.folder
        s3, rpc, admin = free_port(), free_port(), free_port()
        conf = here / "garage.toml"
        conf.write_text(f"""\
metadata_dir = "{here}/meta"
data_dir = "{here}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secrets.token_hex(32)}"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:{s3}"
[admin]
api_bind_addr = "127.0.0.1:{admin}"
""")
        conf.chmod(0o600)
        garage = lambda *words: self.tool("garage", "-c", conf, *words)
        self.spawn("garage", "-c", conf, "server")
        self.answers(s3)
        node = garage("node", "id", "-q").split("@")[0]
        garage("layout", "assign", "-z", "z1", "-c", "10G", node)
        garage("layout", "apply", "--version", "1")
        access, secret = "GK" + secrets.token_hex(12), secrets.token_hex(32)
        garage("key", "import", "--yes", access, secret)
        garage("key", "allow", "--create-bucket", access)
        self.endpoint = f"http://127.0.0.1:{s3}"
        self.owner = S3(self.endpoint, access, secret, "garage")


class MiniStack(Server):
    """An emulator of AWS that checks signatures and evaluates IAM policies."""

    name = "ministack"
    hint = "pip install ministack, and put it into PATH or name it in MINISTACK"
    commands = (os.environ.get("MINISTACK") or "ministack",)

    def start(self):
        self.need(*self.commands)
        port = free_port()
        self.spawn(*self.commands, env={"AUTH": "true", "BIND_HOST": "127.0.0.1", "SERVICES": "s3,sts,iam",
                                 "GATEWAY_PORT": str(port), "PERSIST_STATE": "0"})
        self.answers(port)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.root = S3(self.endpoint, "test", "test", service="iam")
        self.owner = self.user("owner")
        everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        self.attach("owner", everything)

    def iam(self, action, **parameters):
        body = urllib.parse.urlencode({"Action": action, "Version": "2010-05-08"} | parameters)
        reply, _ = self.root.must("POST", "/", body=body, headers={"content-type": "application/x-www-form-urlencoded"})
        return lambda field: re.search(f"<{field}>([^<]*)<", reply.decode())[1]

    def user(self, name):
        arn = self.iam("CreateUser", UserName=name)("Arn")
        key = self.iam("CreateAccessKey", UserName=name)
        self.arns = getattr(self, "arns", {}) | {name: arn}
        return S3(self.endpoint, key("AccessKeyId"), key("SecretAccessKey"))

    def attach(self, user, policy):
        """Gives a user a policy, in place of the one before."""
        self.iam("PutUserPolicy", UserName=user, PolicyName="tried", PolicyDocument=policy)

    def principal(self, name):
        return self.arns[name]


# Debian has servers where a user's PATH does not look; Garage may have been built for this.
BUILT = pathlib.Path(__file__).resolve().parents[2] / "target/garage/bin"
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", str(BUILT)])


def found(command):
    return shutil.which(command)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
