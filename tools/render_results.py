#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Renders docs/results/<system>.json, as `tenfold reproduce SYSTEM --budget full --json` printed it, to <system>.md.

usage: render_results.py [--check] FOLDER
With --check nothing is written: exit code 1 when a page differs from its data.
"""
import json
import pathlib
import re
import statistics
import sys

CURVE = re.compile(r"loss_(.+)_at_(\d+)_percent")  # a point of a learning curve: method, share of the steps


def number(value):
    return f"{value:.4g}"


def details(claim):
    figures = {}
    for measurement in claim["measurements"]:
        for name, value in measurement.items():
            if CURVE.fullmatch(name):
                continue  # in a table of its own
            figures.setdefault(name, []).append(value)
    parts = []
    for name, values in sorted(figures.items()):
        low, high = min(values), max(values)
        parts.append(f"{name} {number(low)}" if low == high else f"{name} {number(low)} to {number(high)}")
    return "; ".join(parts)


def curves(claim):
    """Median loss over seeds, a row a method, a column a tenth of the steps. Nothing for a claim without curves."""
    points = {}
    for measurement in claim["measurements"]:
        for name, value in measurement.items():
            if match := CURVE.fullmatch(name):
                points.setdefault(match[1], {}).setdefault(int(match[2]), []).append(value)
    if not points:
        return []
    shares = sorted({share for row in points.values() for share in row})
    lines = ["", f"Loss of the batches in `{claim['id']}`, median over seeds, by the share of the steps done (-1: diverged):", "",
             "| method | " + " | ".join(f"{share} %" for share in shares) + " |", "| --- |" + " ---: |" * len(shares)]
    for method, row in sorted(points.items()):
        lines.append(f"| {method} | " + " | ".join(number(statistics.median(row[share])) for share in shares) + " |")
    return lines


def render(data, name):
    machine = data["machine"]
    lines = [
        f"# Results: {data['systems'][0]['system']}",
        "",
        f"Made by `tenfold reproduce {data['systems'][0]['system']} --budget {data['budget']} --json > docs/results/{name}.json`, version {data['version']},",
        f"revision {data['revision']}, on {machine['cpu']} ({', '.join(machine['features'])}) with {machine['threads']} threads.",
        "This page is rendered from that file by `tools/render_results.py docs/results`.",
        "",
    ]
    for system in data["systems"]:
        lines += [f"Paper: {system['paper']}.", "", "| claim | expected | measured | spread | seeds | verdict |", "| --- | --- | --- | --- | --- | --- |"]
        for claim in system["claims"]:
            seeds = ", ".join(str(seed) for seed in claim["seeds"])
            lines.append(f"| {claim['claim']} (`{claim['id']}`) | {claim['expected']} | {number(claim['measured'])} | "
                         f"{number(claim['spread'])} | {seeds} | **{claim['verdict'].replace('_', ' ')}** |")
        lines += ["", "## Details", ""]
        for claim in system["claims"]:
            lines += [f"- `{claim['id']}`. Source: {claim['source']}. Setup: {claim['setup']}. Metric: {claim['metric']}. "
                      f"All figures: {details(claim)}. CPU {claim['cpu_seconds']:.2f} s, wall {claim['wall_seconds']:.2f} s."
                      + (f" Measured at revision {claim['revision']}." if "revision" in claim else "")]
        for claim in system["claims"]:
            lines += curves(claim)
    return "\n".join(lines) + "\n"


def main():
    check = "--check" in sys.argv
    folder = pathlib.Path(sys.argv[-1])
    failed = 0
    for source in sorted(folder.glob("*.json")):
        text = render(json.loads(source.read_text(encoding="utf-8")), source.stem)
        page = source.with_suffix(".md")
        if not check:
            page.write_text(text, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            failed += 1
            print(f"{page} differs from {source.name}: run tools/render_results.py {folder}")
    return 1 if failed else 0


sys.exit(main())
