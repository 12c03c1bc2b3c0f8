#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/check_source.py finds each forbidden call and header, and is not fooled by comments and strings."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
sys.dont_write_bytecode = True
import check_source  # noqa: E402  (found through the path above)

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"


def finds(name, body, licence=LICENCE):
    return [f"{line}: {rule}" for line, rule, _ in check_source.finds_in(name, licence + body)]


class CheckSource(unittest.TestCase):
    def test_finds_forbidden_calls(self):
        for body in ("auto m = torch::load(p);", "torch::jit::load(f);", "faiss::read_index(path);", "torch :: jit::load(f);",
                     "torch::serialize::InputArchive a;", "jit::Unpickler u(r);", "auto v = pickle_load(b);", "dlmopen(n, p, 0);", "auto h = dlopen(p, 0);",
                     "std::system(line);", "popen(c, m);", "sprintf(b, f);", "std::cout << 1;", "printf(f);", "exit(1);",
                     "std::abort();", "signal(2, h);", "std::ofstream out(p);", "std::mt19937 g;", "int x;  // TODO later"):
            with self.subTest(body):
                self.assertEqual(len(finds("src/tenfold/io/x.cc", "\n" + body)), 1)
                self.assertTrue(finds("src/tenfold/io/x.cc", "\n" + body)[0].startswith("3: "))

    def test_leaves_right_code_alone(self):
        for body in ("// torch::load is never called", 'throw Error("use torch::load");', "file.load(p);", "std::snprintf(b, 3, f);",
                     "report.exit(1);", 'auto s = R"(std::cout << printf("x"))";', "int operand(int);", "log::signal(3);",
                     "std::ifstream in(p);", "fmt::format(f);", "write_abort(1);"):
            with self.subTest(body):
                self.assertEqual(finds("src/tenfold/io/x.cc", body), [])

    def test_the_program_may_print_and_own_signals(self):
        self.assertEqual(finds("src/tenfold/cli/main.cc", "std::puts(s);\nsigaction(1, a, b);\n"), [])
        self.assertEqual(finds("src/tenfold/cli/launcher.cc", "dlopen(p, 0);"), [])
        self.assertEqual(len(finds("src/tenfold/cli/run.cc", "dlopen(p, 0);")), 1)

    def test_headers(self):
        self.assertEqual(finds("src/tenfold/io/x.h", "#pragma once\n"), [])
        self.assertEqual(finds("src/tenfold/io/x.h", "int x;\n"), ["1: header without #pragma once"])
        self.assertEqual(len(finds("src/tenfold/io/x.h", "#pragma once\nusing namespace std;\n")), 1)
        self.assertEqual(finds("src/tenfold/io/x.cc", "", licence=""), ["1: the first line is not the licence"])

    def test_file_size(self):
        self.assertEqual(finds("src/tenfold/io/x.cc", "int x;\n" * 599), [])
        self.assertEqual(finds("src/tenfold/io/x.cc", "int x;\n" * 600), ["602: 601 lines, at most 600"])

    def test_function_size(self):
        def function(head, lines):
            return f"{head} {{\n" + "  x = {1, 2};\n" * (lines - 2) + "}\n"

        for head in ("void f()", "int C::g(const std::string& a,\n         int b) const noexcept",
                     "C::C(int a)\n    : a_(a), b_(f(a))", "auto h() -> std::vector<int>", "const auto l = [&](int i)"):
            with self.subTest(head):
                self.assertEqual(finds("src/tenfold/io/x.cc", function(head, 60)), [])
                self.assertEqual(len(finds("src/tenfold/io/x.cc", function(head, 61))), 1)
        for head in ("namespace a", "class C", "struct S : public B", "const int table[] ="):
            with self.subTest(head):
                self.assertEqual(finds("src/tenfold/io/x.cc", function(head, 300)), [])


if __name__ == "__main__":
    unittest.main()
