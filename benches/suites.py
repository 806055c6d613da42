#!/usr/bin/env python3
"""First pushes of one path by several programs and suites, in turns: the default program, and that of fips/.

benches/suites.py PATH --work DIR [--runs 5] NAME=PROGRAM[:SUITE] ...

Prints the median of wall time, CPU time and peak memory of each, and the median of the ratios to the first one, run by run.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path


def environment(place: Path) -> dict[str, str]:
    return {
        "HOME": str(place),
        "PATH": os.environ["PATH"],
        "ZVAULT_URL": str(place / "vault"),
        "ZVAULT_PASSPHRASE": "correct horse battery staple",
        "ZVAULT_NO_PROGRESS": "1",
        "ZVAULT_KEYCHAIN": "off",
        "ZVAULT_JITTER": "0",
    }


def push(program: str, suite: str | None, path: str, place: Path) -> tuple[float, float, int]:
    """Seconds, seconds of CPU, KiB."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    env = environment(place)
    made = [program, "init", "--no-recovery-key"] + (["--suite", suite] if suite else [])
    subprocess.run(made, env=env, check=True, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    child = subprocess.Popen([program, "push", path], env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        raise SystemExit(f"{program} push: {status}")
    shutil.rmtree(place)
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("path")
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--runs", type=int, default=5)
    args.add_argument("programs", nargs="+", metavar="NAME=PROGRAM[:SUITE]")
    given = args.parse_args()
    named = [text.partition("=")[::2] for text in given.programs]
    tools = [(name, *program.partition(":")[::2]) for name, program in named]
    results: dict[str, list[tuple[float, float, int]]] = {name: [] for name, _, _ in tools}
    for run in range(given.runs + 1):
        for name, program, suite in tools:
            measured = push(program, suite or None, given.path, given.work / "place")
            # The first round warms the caches.
            if run > 0:
                results[name].append(measured)
                print(f"{name}: {measured[0]:.2f} s, {measured[1]:.2f} s CPU", flush=True)
    first = results[tools[0][0]]
    for name, runs in results.items():
        wall, cpu, memory = (statistics.median(run[i] for run in runs) for i in range(3))
        ratios = [run[0] / of_first[0] for run, of_first in zip(runs, first)]
        cpus = [run[1] / of_first[1] for run, of_first in zip(runs, first)]
        print(
            f"{name:<20} wall {wall:7.2f} s  x {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            f"   CPU {cpu:7.2f} s  x {statistics.median(cpus):.2f}   {memory / 1024:.0f} MiB"
        )


main()
