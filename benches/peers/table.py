#!/usr/bin/env python3
"""Prints what `run` measured as Markdown tables: table.py benches/results.jsonl [commit] shows the last session, or that of a commit.

A cell is the median of the rounds, with the lowest and the highest where there were several.
"""
import json
import statistics
import sys

THOUSANDS = 1_000


def number(x):
    if abs(x) >= THOUSANDS:
        return f"{x:,.0f}"
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def cell(records, figure):
    found = [record[figure] for record in records if isinstance(record.get(figure), (int, float))]
    if not found:
        return "error" if any("error" in record for record in records) else ""
    middle = number(statistics.median(found))
    return middle if len(found) == 1 or min(found) == max(found) else f"{middle} ({number(min(found))}–{number(max(found))})"


TABLES = [
    ("Events acknowledged a second, and latency p50 · p99 in ms: 64 clients arm, re-arm, cancel; one caller, one at a time", [
        ("arm/s", "W1", ["ops_s"]), ("ms", "W1", ["p50_ms", "p99_ms"]), ("re-arm/s", "W2", ["ops_s"]), ("ms", "W2", ["p50_ms", "p99_ms"]),
        ("cancel/s", "W3", ["ops_s"]), ("ms", "W3", ["p50_ms", "p99_ms"]), ("one caller/s", "one", ["ops_s"]), ("ms", "one", ["p50_ms", "p99_ms"]),
        ("server µs a re-arm", "W2", ["server_cpu_us"]), ("fsync p50 ms", "W1", ["fsync_p50_ms"])]),
    ("Opening bell: follow-ups due in one instant", [
        ("due", "W4", ["n"]), ("sent/s", "W4", ["fires_s"]), ("late p50 · p99 · last ms", "W4", ["late_p50_ms", "late_p99_ms", "late_max_ms"]),
        ("missing", "W4", ["missing"]), ("twice", "W4", ["duplicates"]), ("early", "W4", ["early"]), ("server µs a send", "W4", ["server_cpu_us"])]),
    ("Waiting", [
        ("waiting", "W5", ["pending"]), ("loaded/s", "W5", ["load_rate_s"]), ("server MB", "W5", ["server_pss_mb"]), ("worker MB", "W5", ["worker_pss_mb"]),
        ("disk bytes each", "W5", ["disk_b_per_timer"]), ("idle, of a core", "W5", ["idle_core"]),
        ("lone timer late p50 · p99 ms", "W5", ["lone_p50_ms", "lone_p99_ms"]),
        ("bare: sleep, two fsyncs, post p50 · p99 ms", "W5", ["bare_lone_p50_ms", "bare_lone_p99_ms"]), ("fsync p99 ms", "W5", ["fsync_p99_ms"])]),
    ("Restart after kill -9, and kill -9 in the bell", [
        ("waiting", "W6restart", ["pending"]), ("up s", "W6restart", ["server_ready_s"]), ("first late s", "W6restart", ["first_fire_s"]),
        ("all 100 s", "W6restart", ["all_fired_s"]), ("missing", "W6crash", ["missing"]), ("listed as doubts", "W6crash", ["doubts"]),
        ("of these missing", "W6crash", ["missing_listed"]), ("twice", "W6crash", ["duplicates"]), ("still held", "W6crash", ["still_held"])]),
]


def table(records, here):
    peers = list(dict.fromkeys(record["peer"] for record in records))
    out = [f"commit {here['commit']}, {here['machine']}"]
    for title, columns in TABLES:
        rows = []
        for peer in peers:
            def of(workload):
                # a group that failed stands in the place of each of its workloads
                return [r for r in records if r["peer"] == peer and workload in r["workload"].split("+")]
            row = [" · ".join(filter(None, (cell(of(workload), figure) for figure in figures))) for _, workload, figures in columns]
            if any(row):
                rows.append([peer, *row])
        if rows:
            head = ["", *(name for name, _, _ in columns)]
            lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
            out += ["", f"### {title}", "", *lines]
    return "\n".join(out)


if __name__ == "__main__":
    with open(sys.argv[1]) as f:
        everything = [json.loads(line) for line in f]
    wanted = sys.argv[2] if len(sys.argv) > 2 else everything[-1]["commit"]
    chosen = [record for record in everything if record["commit"] == wanted]
    print(table(chosen, chosen[-1]))
