#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the arrows of docs/architecture.md: which folder of src/tenfold may include what.

usage: tools/check_includes.py [ROOT]    ROOT holds src/tenfold; default: this tree
Prints "file:line: rule: remedy" for each wrong include; exit code 1 when there is one.
"""
import pathlib
import re
import sys

LOW = {"base", "config", "io"}
MEDIA = {"text", "audio", "image", "scene"}
MIDDLE = LOW | MEDIA | {"kernels", "search", "eval", "report"}
TORCH = {"data", "nn", "train"}
# Folder -> the folders below it that it may include. A folder may always include itself.
MAY_INCLUDE = {
    "base": set(),
    "config": {"base"},
    "io": {"base", "config"},
    "kernels": LOW,
    **{folder: LOW for folder in MEDIA},
    "search": LOW | {"kernels"},
    "eval": LOW | {"kernels"},
    "data": LOW | MEDIA | {"kernels"},
    "report": LOW | MEDIA | {"kernels", "search", "eval"},
    "nn": LOW | {"kernels", "data"},
    "train": LOW | {"kernels", "data", "nn", "eval"},
    "systems": MIDDLE | TORCH,
    "serve": MIDDLE | {"systems"},
    "cli": MIDDLE | TORCH | {"systems", "serve"},
}
# Folders of systems/ that belong to all systems.
SHARED = {"training", "retrieval"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def torch_is_allowed(parts):
    """LibTorch: only data, train, nn, systems/<name>/ and the torch/ folders of cli and systems."""
    folder = parts[0]
    return folder in TORCH or (folder == "systems" and len(parts) > 2) or (folder == "cli" and parts[1] == "torch")


def problem_of(parts, header, included):
    """The rule that file `parts` (path below src/tenfold) breaks by including `included`, or None."""
    folder = parts[0]
    if folder not in MAY_INCLUDE:
        return f"folder {folder} has no layer", "give it one in MAY_INCLUDE of tools/check_includes.py"
    if included.startswith(("torch/", "ATen/", "c10/", "caffe2/")) and not torch_is_allowed(parts):
        return f"{folder} must build without LibTorch", "move the code to train/, nn/ or a torch/ folder"
    if included == "nlohmann/json.hpp" and header:
        return "nlohmann/json.hpp is for .cc files", "include it in the .cc file, or json_fwd.hpp in io/, systems/, serve/ and cli/"
    if included == "nlohmann/json_fwd.hpp" and folder not in ("io", "systems", "serve", "cli"):
        return f"json_fwd.hpp is for io/, systems/, serve/ and cli/, not {folder}/", "hide the JSON type in the .cc file"
    if not included.startswith("tenfold/"):
        return None
    target = included.split("/")[1:]
    if target[0] != folder and target[0] not in MAY_INCLUDE[folder]:
        return f"{folder} may not include {target[0]}: arrows only point down", f"move the code below {folder}"
    if folder == target[0] == "systems" and len(target) > 2 and target[1] not in SHARED:
        if len(parts) > 2 and parts[1] != target[1]:
            return f"system {parts[1]} may not include system {target[1]}", "move what both need to nn/, data/ or systems/retrieval/"
        if len(parts) == 2 and not parts[1].startswith("registry"):
            return "only systems/registry*.cc may know a system", "go through the interface in systems/system.h"
    if folder == "cli" and target[0] == "systems" and len(target) > 2:
        return "cli may not know a system", "go through the interface in systems/system.h"
    return None


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    source = root / "src" / "tenfold"
    files = sorted(path for path in source.rglob("*") if path.suffix in (".h", ".cc"))
    found = 0
    for path in files:
        parts = path.relative_to(source).parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            problem = match and problem_of(parts, path.suffix == ".h", match[2])
            if problem:
                found += 1
                print(f"{path.relative_to(root)}:{number}: {problem[0]}; remedy: {problem[1]}")
    print(f"check_includes: {len(files)} files, {found} wrong includes")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
