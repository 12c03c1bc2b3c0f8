#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/check_includes.py finds each kind of wrong include, says where, and leaves right ones alone."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_includes.py"


class CheckIncludes(unittest.TestCase):
    def run_on(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, "src/tenfold", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            result = subprocess.run([sys.executable, TOOL, root], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout

    def test_accepts_arrows_that_point_down(self):
        code, out = self.run_on({
            "report/chart.cc": '#include "tenfold/io/csv.h"\n#include "tenfold/base/error.h"\n#include <nlohmann/json.hpp>\n',
            "systems/dsi/model.cc": '#include <torch/nn/module.h>\n#include "tenfold/systems/system.h"\n'
                                    '#include "tenfold/systems/dsi/model.h"\n#include "tenfold/train/trainer.h"\n',
            "systems/registry.cc": '#include "tenfold/systems/dsi/command.h"\n',
            "systems/system.h": "#include <nlohmann/json_fwd.hpp>\n",
            "cli/torch/app.cc": "#include <ATen/ATen.h>\n",
        })
        self.assertEqual(code, 0, out)

    def test_finds_each_wrong_include_with_its_line(self):
        wrong = {
            "base/error.cc": ('\n#include "tenfold/io/csv.h"\n', "src/tenfold/base/error.cc:2: base may not include io"),
            "io/csv.cc": ('#include "tenfold/report/chart.h"\n', "io may not include report"),
            "kernels/scan.cc": ('#include "tenfold/nn/s4.h"\n', "kernels may not include nn"),
            "train/loop.cc": ('#include "tenfold/systems/system.h"\n', "train may not include systems"),
            "report/chart.cc": ("#include <torch/types.h>\n", "report must build without LibTorch"),
            "serve/http.cc": ("  #  include <c10/core/Device.h>\n", "serve must build without LibTorch"),
            "cli/launcher.cc": ("#include <ATen/ATen.h>\n", "cli must build without LibTorch"),
            "systems/system.cc": ("#include <torch/types.h>\n", "systems must build without LibTorch"),
            "io/npy.h": ("#include <nlohmann/json.hpp>\n", "nlohmann/json.hpp is for .cc files"),
            "report/table.h": ("#include <nlohmann/json_fwd.hpp>\n", "json_fwd.hpp is for io/, systems/, serve/ and cli/"),
            "systems/dsi/index.cc": ('#include "tenfold/systems/hip/model.h"\n', "system dsi may not include system hip"),
            "systems/claim.cc": ('#include "tenfold/systems/dsi/model.h"\n', "only systems/registry*.cc may know a system"),
            "cli/run.cc": ('#include "tenfold/systems/dsi/model.h"\n', "cli may not know a system"),
            "misc/x.h": ("#include <vector>\n", "folder misc has no layer"),
        }
        for name, (text, message) in wrong.items():
            with self.subTest(name):
                code, out = self.run_on({name: text})
                self.assertEqual(code, 1)
                self.assertIn(message, out)
                self.assertIn("; remedy: ", out)

    def test_an_empty_tree_is_not_a_success(self):
        self.assertEqual(self.run_on({})[0], 1)


if __name__ == "__main__":
    unittest.main()
