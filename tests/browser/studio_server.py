# SPDX-License-Identifier: Apache-2.0
"""A tenfold server for the browser tests, with a folder of runs whose names and contents try to become markup."""
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request

INDEX = "small-search"  # a trained retriever with an index of its documents
HOSTILE = "<img src=x onerror=alert(1)>"


class Server:
    """`tenfold serve` on a free port; stop() and start() keep the port."""

    def __init__(self, program, folder):
        self.program, self.folder, self.port = program, folder, 0
        self.runs = os.path.join(folder, "runs")
        write_runs(self.runs)
        write_index(program, os.path.join(self.runs, INDEX))
        self.start()

    def start(self):
        address = os.path.join(self.folder, "address")
        if os.path.exists(address):
            os.remove(address)
        self.log = open(os.path.join(self.folder, "server.log"), "a")
        self.process = subprocess.Popen(
            [self.program, "serve", "--port", str(self.port), "--runs", self.runs, "--address-file", address, "--drain", "2"],
            stdout=self.log, stderr=self.log, env={**os.environ, "OMP_NUM_THREADS": "1"})
        end = time.monotonic() + 60
        while not os.path.exists(address):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start: {open(self.log.name).read()[-1000:]}")
            time.sleep(0.02)
        with open(address) as file:
            self.url = file.read().strip().rstrip("/")
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self, hard=False):
        self.process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        self.process.wait(60)
        self.log.close()

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def fetch(self, path):
        """Headers and content of a file of the page."""
        with urllib.request.urlopen(self.url + path) as answer:
            return dict(answer.headers), answer.read()


def write_runs(folder):
    write_run(os.path.join(folder, HOSTILE), seed=1, name=HOSTILE, rate="0.1")
    write_run(os.path.join(folder, "quiet"), seed=2, name="quiet", rate="0.2")


def write_run(folder, seed, name, rate):
    os.makedirs(folder)
    rows = [{"step": step, "flops": 1000 * step, "train/loss": 2.0 / step + seed, f"{HOSTILE}": step, "time": {"seconds": 0.1 * step}}
            for step in range(1, 41)]
    with open(os.path.join(folder, "metrics.jsonl"), "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    with open(os.path.join(folder, "config.toml"), "w") as file:
        file.write(f'[train]\n# a comment\nname = "{name}"\noptimizer.learning_rate = {rate}\nsteps = 40\n')
    with open(os.path.join(folder, "run.json"), "w") as file:
        json.dump({"schema": "tenfold.run/1", "system": name, "name": name, "date": "2022-03-01T00:00:00Z", "seed": seed, "steps": 40,
                   "parameters": 10, "flop": {"total": 1e15 * seed}, "wall_hours": 0.01, "revision": name}, file)


def write_index(program, place):
    """The index of a short training, as a bundle of its own."""
    folder = place + ".training"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for command in (["train", "--preset", "demo", "--out", folder], ["index", folder]):
        subprocess.run([program, "repconc", *command, "--threads", "1", "--quiet"], check=True, stdout=subprocess.DEVNULL, env=environment)
    os.rename(os.path.join(folder, "index"), place)
    shutil.rmtree(folder)


def write_hostile_table(path):
    """A table whose names, domains and organisations are markup, one of them with a date that cannot be read."""
    with open(path, "w") as file:
        file.write("System,Publication date,Domain,Organization,Training compute (FLOP)\n")
        for year in range(2010, 2022):
            file.write(f'"{HOSTILE} {year}",{year}-03-01,"{HOSTILE}","<script>alert(2)</script>",{10.0 ** (year - 1995):g}\n')
        file.write('"<b>no date</b>",,"Vision","x",1e20\n')
