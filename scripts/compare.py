#!/usr/bin/env python3
"""Compares a folder with its restored copy: names, kinds, content, modes, owners, times, links, extended attributes.

    scripts/compare.py ORIGINAL COPY

Knows nothing of zvault. SQLite databases that differ byte by byte are compared by what SQLite reads from them, because a
restored database holds what lay in the original's -wal file; so those side files may be missing from the copy. Sockets
may be missing: they are made by the program that listens. Times of access are not compared. Exit code 1: they differ.
"""

import os
import shutil
import sqlite3
import stat
import sys
import tempfile

SIDES = (b"-wal", b"-shm", b"-journal")
MAX_SHOWN = 20


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    original, copy = (os.fsencode(path) for path in sys.argv[1:])
    comparison = Comparison(original, copy)
    comparison.folder(b"")
    sys.exit(comparison.report())


class Comparison:
    def __init__(self, original, copy):
        self.original, self.copy = original, copy
        self.differences = []
        self.counts = {"files": 0, "folders": 0, "links": 0, "others": 0, "databases by content": 0}
        self.bytes = 0
        self.hard_links = {}
        self.is_root = os.geteuid() == 0

    def folder(self, path):
        """Compares a folder and all below it, without recursion: trees may be deep."""
        self.entry(path)
        waiting = [path]
        while waiting:
            path = waiting.pop()
            try:
                names, copied = (set(os.listdir(os.path.join(top, path))) for top in (self.original, self.copy))
            except OSError as error:
                self.differ(path, f"cannot be listed: {error.strerror}")
                continue
            for name in sorted(names | copied):
                below = os.path.join(path, name)
                if name not in copied:
                    if not self.may_be_missing(path, name, names):
                        self.differ(below, "is missing from the copy")
                elif name not in names:
                    self.differ(below, "is only in the copy")
                elif self.entry(below):
                    waiting.append(below)

    def may_be_missing(self, path, name, names):
        here = os.path.join(self.original, path)
        if stat.S_ISSOCK(os.lstat(os.path.join(here, name)).st_mode):
            return True
        for side in SIDES:
            database = name[: -len(side)]
            if name.endswith(side) and database in names and is_database(os.path.join(here, database)):
                return True
        return False

    def entry(self, path):
        """Compares one entry; says whether it is a folder on both sides."""
        a, b = (os.path.join(top, path) if path else top for top in (self.original, self.copy))
        try:
            one, two = os.lstat(a), os.lstat(b)
        except OSError as error:
            self.differ(path, f"cannot be looked at: {error.strerror}")
            return False
        if stat.S_IFMT(one.st_mode) != stat.S_IFMT(two.st_mode):
            self.differ(path, "is of another kind")
            return False
        is_link = stat.S_ISLNK(one.st_mode)
        if stat.S_IMODE(one.st_mode) != stat.S_IMODE(two.st_mode) and not is_link:
            self.differ(path, f"has mode {stat.S_IMODE(two.st_mode):o}, not {stat.S_IMODE(one.st_mode):o}")
        if one.st_mtime_ns != two.st_mtime_ns:
            self.differ(path, f"has time {two.st_mtime_ns} ns, not {one.st_mtime_ns} ns")
        if self.is_root and (one.st_uid, one.st_gid) != (two.st_uid, two.st_gid):
            self.differ(path, f"belongs to {two.st_uid}:{two.st_gid}, not {one.st_uid}:{one.st_gid}")
        self.attributes(path, a, b)
        if stat.S_ISDIR(one.st_mode):
            self.counts["folders"] += 1
            return True
        if is_link:
            self.counts["links"] += 1
            if os.readlink(a) != os.readlink(b):
                self.differ(path, "points elsewhere")
        elif stat.S_ISREG(one.st_mode):
            self.counts["files"] += 1
            self.bytes += one.st_size
            self.hard_link(path, one, two)
            self.content(path, a, b, one, two)
        else:
            self.counts["others"] += 1
            if one.st_rdev != two.st_rdev:
                self.differ(path, "is another device")
        return False

    def hard_link(self, path, one, two):
        """Files that are one on this side are one on that side."""
        if one.st_nlink < 2:
            return
        key = (one.st_dev, one.st_ino)
        other = self.hard_links.setdefault(key, (two.st_dev, two.st_ino))
        if other != (two.st_dev, two.st_ino):
            self.differ(path, "is no longer a hard link")

    def attributes(self, path, a, b):
        if not hasattr(os, "listxattr"):
            return
        try:
            one, two = (wanted(name, self.is_root) for name in (a, b))
        except OSError as error:
            self.differ(path, f"has unreadable extended attributes: {error.strerror}")
            return
        for name in sorted(set(one) | set(two)):
            if one.get(name) != two.get(name):
                self.differ(path, f"has another extended attribute {name}")

    def content(self, path, a, b, one, two):
        try:
            same = one.st_size == two.st_size and same_bytes(a, b)
            pending = any(size(a + side) > 0 for side in SIDES[::2])
            if (not same or pending) and is_database(a) and is_database(b):
                self.counts["databases by content"] += 1
                if not same_database(a, b):
                    self.differ(path, "is a database with other content")
            elif not same:
                self.differ(path, "has other content")
        except OSError as error:
            self.differ(path, f"cannot be read: {error.strerror}")
        except sqlite3.Error as error:
            self.differ(path, f"differs, and SQLite cannot compare it: {error}")

    def differ(self, path, what):
        self.differences.append(f"{os.fsdecode(path or b'.')} {what}")

    def report(self):
        for line in self.differences[:MAX_SHOWN]:
            print(line.encode(errors="backslashreplace").decode())
        if len(self.differences) > MAX_SHOWN:
            print(f"and {len(self.differences) - MAX_SHOWN} more")
        counted = ", ".join(f"{what}: {count}" for what, count in self.counts.items() if count)
        result = f"{len(self.differences)} differences" if self.differences else "no difference"
        print(f"{result} ({counted}; {self.bytes} bytes)")
        return 1 if self.differences else 0


def wanted(path, is_root):
    """The extended attributes that a restore can bring back."""
    kept = ("user.", "system.posix_acl_") + (("trusted.", "security.capability") if is_root else ())
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names if name.startswith(kept)}


def is_database(path):
    try:
        with open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def size(path):
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def same_bytes(a, b):
    with open(a, "rb") as one, open(b, "rb") as two:
        while True:
            left, right = one.read(1 << 20), two.read(1 << 20)
            if left != right:
                return False
            if not left:
                return True


def same_database(a, b):
    """Compares what SQLite reads, from copies: opening the original could touch its side files."""
    with tempfile.TemporaryDirectory() as folder:
        dumps = []
        for name, path in (("a", a), ("b", b)):
            copy = os.path.join(folder, name)
            shutil.copyfile(path, copy)
            for side in (b"-wal", b"-journal"):
                if os.path.exists(path + side):
                    shutil.copyfile(path + side, copy + os.fsdecode(side))
            connection = sqlite3.connect(copy)
            connection.text_factory = bytes
            dumps.append(rows(connection))
        return all(left == right for left, right in zip(*dumps))


def rows(connection):
    """Everything in a database, in an order that does not depend on its pages; ends with a mark, so that zip sees the end."""
    schema = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    yield schema
    for kind, name, _, _ in schema:
        if kind == b"table" and name is not None:
            quoted = '"' + os.fsdecode(name).replace('"', '""') + '"'
            count = 0
            for row in connection.execute(f"SELECT * FROM {quoted}"):
                count += 1
                yield row
            yield (name, count)
    connection.close()


if __name__ == "__main__":
    main()
