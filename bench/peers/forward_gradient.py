#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch peer of the forward-gradient benchmark: the same training steps with torch.autograd and torch.autograd.forward_ad.

Usage: forward_gradient.py BATCH THREADS
Prints {"torch", "threads", "blas_kernel"} and then answers one line of JSON for each line of JSON on standard input:
  {"model": M, "method": X, "steps": N, "layout": L}  ->  {"wall", "cpu"}: seconds a step, over N steps
Models: logistic, mlp, small_cnn, paper_cnn. Methods: loss, backprop, dual_gaussian, dual_rademacher. Layouts: contiguous,
channels_last. A forward-gradient step draws a direction, runs the model on dual numbers and moves the parameters along it; all in
place and without tapes. Ends at end of input.

The BLAS is the OpenMP flavour of OpenBLAS when it is installed, as for our own program: the other one fights with PyTorch's threads.
"""

import ctypes
import glob
import json
import os
import sys
import time

OPENBLAS = glob.glob("/usr/lib/*/openblas-openmp/libopenblas.so.0")
if OPENBLAS and "LD_PRELOAD" not in os.environ and sys.argv[0].endswith(".py"):
    os.environ["LD_PRELOAD"] = OPENBLAS[0]
    os.execv(sys.executable, [sys.executable, *sys.argv])  # a library is preloaded at the start only

os.environ["OMP_NUM_THREADS"] = sys.argv[2]

import torch  # noqa: E402  (after the thread settings)
import torch.autograd.forward_ad as forward_ad  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.stateless import functional_call  # noqa: E402

RATE = 1e-7  # small: weights stay ordinary numbers however many steps are timed


def cnn(channels, hidden):
    layers, last = [], 1
    for i, width in enumerate(channels):
        layers += [nn.Conv2d(last, width, 3, padding=1), nn.ReLU()]
        if i % 2 == 1:
            layers.append(nn.MaxPool2d(2))
        last = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(last * 49, hidden), nn.ReLU(), nn.Linear(hidden, 10))


MODELS = {
    "logistic": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    ),
    "small_cnn": lambda: cnn([16, 16, 32, 32], 128),
    "paper_cnn": lambda: cnn([64, 64, 64, 64], 1024),
}


class Setup:
    def __init__(self, model, layout, batch):
        torch.manual_seed(1)
        self.model = MODELS[model]()
        self.inputs = torch.rand(batch, 1, 28, 28)
        self.targets = torch.randint(0, 10, (batch,))
        if layout == "channels_last":
            self.model = self.model.to(memory_format=torch.channels_last)
            self.inputs = self.inputs.contiguous(memory_format=torch.channels_last)
        self.parameters = dict(self.model.named_parameters())
        self.plain = {name: value.detach() for name, value in self.parameters.items()}

    def loss(self):
        with torch.no_grad():
            return nn.functional.cross_entropy(self.model(self.inputs), self.targets).item()

    def backprop(self):
        for value in self.parameters.values():
            value.grad = None
        loss = nn.functional.cross_entropy(self.model(self.inputs), self.targets)
        loss.backward()
        with torch.no_grad():
            for value in self.parameters.values():
                value.add_(value.grad, alpha=-RATE)
        return loss.item()

    def dual(self, draw):
        with torch.no_grad(), forward_ad.dual_level():
            direction = {name: draw(value) for name, value in self.plain.items()}
            duals = {name: forward_ad.make_dual(value, direction[name]) for name, value in self.plain.items()}
            output = functional_call(self.model, duals, self.inputs)
            loss, slope = forward_ad.unpack_dual(nn.functional.cross_entropy(output, self.targets))
            step = -RATE * slope.item()
        with torch.no_grad():
            for name, value in self.plain.items():
                value.add_(direction[name], alpha=step)
        return loss.item()

    def dual_gaussian(self):
        return self.dual(torch.randn_like)

    def dual_rademacher(self):
        return self.dual(lambda value: torch.empty_like(value).bernoulli_(0.5).mul_(2).sub_(1))


def blas_kernel():
    try:
        corename = ctypes.CDLL("libopenblas.so.0").openblas_get_corename
        corename.restype = ctypes.c_char_p
        return corename().decode()
    except (OSError, AttributeError):
        return "unknown"


def main():
    batch, threads = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "blas_kernel": blas_kernel()}), flush=True)
    setups = {}
    for line in sys.stdin:
        order = json.loads(line)
        key = (order["model"], order["layout"])
        if key not in setups:
            setups = {k: v for k, v in setups.items() if k[0] == key[0]}  # one model's at a time
            setups[key] = Setup(*key, batch)
        method = getattr(setups[key], order["method"])
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(order["steps"]):
            method()
        steps = order["steps"]
        print(
            json.dumps({"wall": (time.perf_counter() - wall) / steps, "cpu": (time.process_time() - cpu) / steps}),
            flush=True,
        )


if __name__ == "__main__":
    main()
