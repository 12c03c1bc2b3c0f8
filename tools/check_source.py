#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what a reader of a change should not have to: forbidden calls, file headers, sizes of files and functions.

usage: tools/check_source.py [ROOT]
Prints "file:line: rule: remedy" for each find; exit code 1 when there is one.
"""
import pathlib
import re
import sys

MAX_LINES = 600
MAX_FUNCTION_LINES = 60
EVERYWHERE = ("src/", "fuzz/", "tests/", "bench/", "examples/")
LIBRARY = ("src/tenfold/",)
# (pattern, where, except below, rule, remedy). Patterns see the code without comments and string contents.
RULES = [
    (r"\b(torch|jit)\s*::\s*(load|pickle_load|import_module|unpickle|_load_for_mobile)\b|\b(un)?pickle(_load)?\s*\("
     r"|\b(Unpickler|InputArchive|import_ir_module)\b", ("src/",), (),
     "this loader can execute a stranger's file", "read safetensors with io/safetensors.h"),
    (r"\b(read_index|read_index_binary|read_VectorTransform|read_ProductQuantizer|read_InvertedLists)\s*\(", ("src/",), (),
     "Faiss' readers trust the sizes in a file", "read with src/tenfold/io"),
    (r"\bdlm?open\b", ("src/",), ("src/tenfold/cli/launcher.cc",),
     "only the launcher loads libraries, and only its own", "link the library"),
    (r"\b(std::)?(system|popen)\s*\(", ("src/",), (),
     "a shell reads its arguments", "start the program with an argument list"),
    (r"(?<![\w:.>])(strcpy|strcat|sprintf|gets|tmpnam|mktemp|alloca|atoi|atof|strtok|rand)\s*\(", EVERYWHERE, (),
     "this C function is unsafe", "use std::string, fmt::format, base/strings.h or base/random.h"),
    (r"\bstd::(cout|cerr|clog)\b|(?<![\w.>])(std::)?(printf|puts|putchar)\s*\(", LIBRARY, ("src/tenfold/cli/",),
     "library code never prints", "return a value, or use base/log.h"),
    (r"(?<![\w.>:])(std::)?(exit|quick_exit|abort|_exit)\s*\(", LIBRARY, ("src/tenfold/cli/",),
     "library code never ends the process", "throw tenfold::Error"),
    (r"(?<![\w.>:])(std::)?(signal|sigaction)\s*\(", LIBRARY, ("src/tenfold/cli/",),
     "signals belong to the program", "take a StopToken (base/stop.h)"),
    (r"\bstd::(o|w?o?f)stream\b|\bstd::fstream\b|(?<![\w.>])(std::)?fopen\s*\(", LIBRARY, ("src/tenfold/base/",),
     "all writing goes through tenfold::FileSystem", "use base/file_system.h"),
    (r"\bstd::(mt19937\w*|random_device|default_random_engine|minstd_rand)\b", LIBRARY, (),
     "random numbers must not depend on order or library", "use base/random.h"),
    (r"\bTODO\b|\bFIXME\b|\bXXX\b", EVERYWHERE, (), "unfinished", "finish it, or file an issue"),
]
HEADER_RULES = [
    (r"^using\s+namespace\b", EVERYWHERE, (), "using namespace in a header reaches every includer", "name the namespace"),
]
# Comments and strings of C++; raw strings first. Lines stay where they are.
NOT_CODE = re.compile(r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n]){1,8}\'', re.S)


def code_of(text):
    def blank(match):
        token = match[0]
        if token.startswith("//") and re.search(r"\b(TODO|FIXME|XXX)\b", token):
            return token
        return '""' + "\n" * token.count("\n")
    return NOT_CODE.sub(blank, text)


# What stands before the brace of a function's body: its parameters, qualifiers, or the end of a constructor's list.
BODY_BEGINS = re.compile(r"\)\s*(?:(?:const|noexcept|override|final|mutable)\s*)*(?:->[^;{}()]*)?$")


def long_functions(code):
    """Yields (line, lines) of every function whose body, braces included, is too long; `code` as code_of() gives it."""
    open_braces, line, head = [], 1, []
    for char in code:
        if char == "{":
            open_braces.append((line, bool(BODY_BEGINS.search("".join(head)))))
            head = []
        elif char == "}" and open_braces:
            begin, is_function = open_braces.pop()
            if is_function and line - begin + 1 > MAX_FUNCTION_LINES:
                yield begin, line - begin + 1
            head = []
        elif char == ";":
            head = []
        else:
            head.append(char)
        if char == "\n":
            line += 1


def finds_in(name, text):
    """Yields (line, rule, remedy) for one C++ file; `name` is its path below the root."""
    if not text.startswith("// SPDX-License-Identifier: Apache-2.0\n"):
        yield 1, "the first line is not the licence", "// SPDX-License-Identifier: Apache-2.0"
    if name.endswith(".h") and "#pragma once" not in text:
        yield 1, "header without #pragma once", "add it below the first comment"
    lines = code_of(text).split("\n")
    if len(lines) > MAX_LINES + 1:
        yield len(lines), f"{len(lines) - 1} lines, at most {MAX_LINES}", "split the file by meaning"
    if not name.startswith("tests/"):  # a table of cases may be one function there
        for line, count in long_functions("\n".join(lines)):
            yield line, f"a function of {count} lines, at most {MAX_FUNCTION_LINES}", "split it by what it does"
    rules = RULES + (HEADER_RULES if name.endswith(".h") else [])
    for pattern, where, excepted, rule, remedy in rules:
        if not name.startswith(where) or (excepted and name.startswith(excepted)):
            continue
        for number, line in enumerate(lines, 1):
            if re.search(pattern, line):
                yield number, rule, remedy


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    files = sorted(path for folder in EVERYWHERE for path in (root / folder).rglob("*") if path.suffix in (".h", ".cc"))
    found = 0
    for path in files:
        name = path.relative_to(root).as_posix()
        for number, rule, remedy in finds_in(name, path.read_text(encoding="utf-8")):
            found += 1
            print(f"{name}:{number}: {rule}; remedy: {remedy}")
    print(f"check_source: {len(files)} files, {found} finds")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
