#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what the documentation tells people to type.

usage: run_docs.py BIN_DIR document FILE.md     every line of its ```sh blocks, in one empty folder, in order
       run_docs.py BIN_DIR examples             every example of every help page
       run_docs.py BIN_DIR links FILE.md...     every relative link leads to a file
       run_docs.py BIN_DIR make ROOT FILE.md... every `make TARGET` in ```console blocks exists in the Makefile
       run_docs.py BIN_DIR picture FILE.svg     the chart of the README says what `tenfold trends plot` draws today
A line fails the test when its exit code is not 0. Exit code 77: skipped, with the reason on standard output.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile


def blocks(path, language):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return re.findall(r"^```" + language + r"\n(.*?)^```", text, re.M | re.S)


def run(line, folder, bin_dir):
    environment = dict(os.environ, PATH=bin_dir + ":" + os.environ["PATH"], HOME=folder)
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def run_all(lines, bin_dir):
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for line in lines:
            result = run(line, folder, bin_dir)
            print("ok  " if result.returncode == 0 else "FAIL", line)
            if result.returncode != 0:
                failed += 1
                print(result.stdout[-2000:], result.stderr[-2000:])
    print(f"{len(lines)} commands, {failed} failed")
    return 1 if failed or not lines else 0


def needs_torch(line):
    return re.search(r"\b(doctor|flops)\b|\btenfold data\b", line) is not None


def needs_fashion_mnist(line):
    return "fashion-mnist" in line and not os.path.isdir("/usr/share/datasets/fashion-mnist")


def examples(bin_dir):
    tenfold = os.path.join(bin_dir, "tenfold")

    def page(path):
        return subprocess.run([tenfold, *path, "--help"], capture_output=True, text=True, check=True).stdout

    def children(text):
        listed = re.search(r"^(?:commands|verbs):\n(.*?)\n\n", text, re.M | re.S)
        return re.findall(r"^  (\S+)", listed.group(1), re.M) if listed else []

    lines, todo = [], [[]]
    while todo:
        path = todo.pop()
        text = page(path)
        todo += [path + [child] for child in children(text)]
        found = re.search(r"^examples:\n(.*)", text, re.M | re.S)
        lines += [line.strip() for line in found.group(1).splitlines()] if found else []
    return sorted(set(lines))


def make_targets(root, documents):
    with open(os.path.join(root, "Makefile"), encoding="utf-8") as file:
        known = set(re.findall(r"^([a-z]+):", file.read(), re.M))
    failed = 0
    for document in documents:
        for block in blocks(document, "console"):
            for target in re.findall(r"^\$.*?\bmake ([a-z]+)\b", block, re.M):
                good = target in known
                failed += not good
                print("ok  " if good else "FAIL", document, "make", target)
    return 1 if failed else 0


def links(documents):
    failed = 0
    for document in documents:
        with open(document, encoding="utf-8") as file:
            targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", file.read())
        for target in targets:
            if "://" in target:
                continue
            if not os.path.exists(os.path.join(os.path.dirname(document), target)):
                failed += 1
                print("FAIL", document, "links to", target)
    print(f"{len(documents)} documents, {failed} dead links")
    return 1 if failed else 0


def picture(path, bin_dir):
    if shutil.which("gnuplot") is None:
        print("skipped: no gnuplot in PATH")
        return 77
    with open(path, encoding="utf-8") as file:
        kept = file.read()
    width, height = re.search(r'width="(\d+)" height="(\d+)"', kept).groups()
    with tempfile.TemporaryDirectory() as folder:
        line = f"tenfold trends plot --file new.svg --width {width} --height {height}"
        result = run(line, folder, bin_dir)
        if result.returncode != 0:
            print("FAIL", line, result.stderr)
            return 1
        with open(os.path.join(folder, "new.svg"), encoding="utf-8") as file:
            new = file.read()

    def texts(svg):
        return sorted(re.findall(r">([^<>]*\S[^<>]*)<", svg))

    missing = [text for text in texts(new) if text not in texts(kept)]
    stale = [text for text in texts(kept) if text not in texts(new)]
    print(f"{path}: {len(texts(kept))} texts; only in a new picture: {missing}; only in the old one: {stale}")
    if missing or stale:
        print(f"remedy: tenfold trends plot --width {width} --height {height} --file {path}")
    return 1 if missing or stale else 0


def main():
    bin_dir, mode = os.path.abspath(sys.argv[1]), sys.argv[2]
    with_torch = os.path.exists(os.path.join(bin_dir, "..", "lib", "libtenfold_app.so"))
    if mode == "make":
        return make_targets(sys.argv[3], sys.argv[4:])
    if mode == "picture":
        return picture(sys.argv[3], bin_dir)
    if mode == "links":
        return links(sys.argv[3:])
    if mode == "examples":
        lines = examples(bin_dir)
    else:
        lines = [line for block in blocks(sys.argv[3], "sh") for line in block.splitlines() if line.strip()]
    if not with_torch:
        print("built without LibTorch: its commands are left out")
        lines = [line for line in lines if not needs_torch(line)]
    if any(needs_fashion_mnist(line) for line in lines):
        print("the package dataset-fashion-mnist is missing: commands that use it are left out")
        lines = [line for line in lines if not needs_fashion_mnist(line)]
    return run_all(lines, bin_dir)


sys.exit(main())
