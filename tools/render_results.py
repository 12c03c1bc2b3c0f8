#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Renders docs/results/<system>.json, as `tenfold reproduce SYSTEM --budget full --json` printed it, to <system>.md.

usage: render_results.py [--check] FOLDER
With --check nothing is written: exit code 1 when a page differs from its data.
"""
import json
import pathlib
import sys


def number(value):
    return f"{value:.4g}"


def details(claim):
    figures = {}
    for measurement in claim["measurements"]:
        for name, value in measurement.items():
            figures.setdefault(name, []).append(value)
    parts = []
    for name, values in sorted(figures.items()):
        low, high = min(values), max(values)
        parts.append(f"{name} {number(low)}" if low == high else f"{name} {number(low)} to {number(high)}")
    return "; ".join(parts)


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
                      f"All figures: {details(claim)}. CPU {claim['cpu_seconds']:.2f} s, wall {claim['wall_seconds']:.2f} s."]
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
