#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NumPy peer of the bootstrap benchmark: slopes of resampled tables, the fastest of several vectorised forms.

Usage: compute_trends_bootstrap.py RESAMPLES ROWS SEED
First tries every variant on a small number of resamples and keeps the fastest. Then prints one JSON line
{"numpy", "variant", "tried"} and, for every line read from standard input, runs one timed repetition and prints
{"wall", "cpu", "low", "median", "high"}: seconds, and percentiles 2.5, 50, 97.5 of the slopes. Ends at end of input.
"""

import json
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (after the thread settings)


def make_table(rows):
    """The same table as the C++ side: a trend with a fixed, smooth disturbance."""
    i = np.arange(rows, dtype=np.float64)
    year = 2010.0 + 12.0 * i / rows
    log10_flop = 15.0 + 0.63 * (year - 2010.0) + 1.5 * np.sin(12.9898 * i)
    return year, log10_flop


def slope_of_sums(n, sx, sy, sxx, sxy):
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)


def draw_integers(rng, shape, n):
    return rng.integers(0, n, shape)


def draw_words(rng, shape, n):
    """Multiply-shift on raw 32-bit words: no rejection, no masking."""
    count = shape[0] * shape[1]
    words = rng.bit_generator.random_raw((count + 1) // 2).view(np.uint32)[:count]
    return ((words.astype(np.uint64) * np.uint64(n)) >> np.uint64(32)).astype(np.intp).reshape(shape)


def draw_floats(rng, shape, n):
    return (rng.random(shape, dtype=np.float32) * np.float32(n)).astype(np.intp)


def by_index(draw, x, y, rng, count):
    """Fancy indexing of x and y; sums of squares by einsum."""
    n = x.size
    rows = draw(rng, (count, n), n)
    xs, ys = x[rows], y[rows]
    return slope_of_sums(
        n, xs.sum(1), ys.sum(1), np.einsum("ij,ij->i", xs, xs), np.einsum("ij,ij->i", xs, ys)
    )


def by_take(draw, x, y, rng, count):
    """Like by_index with take(mode="clip"), which checks no bounds; sums by products with a vector of ones."""
    n = x.size
    rows = draw(rng, (count, n), n)
    xs, ys = x.take(rows, mode="clip"), y.take(rows, mode="clip")
    ones = np.ones(n)
    return slope_of_sums(n, xs @ ones, ys @ ones, np.einsum("ij,ij->i", xs, xs), np.einsum("ij,ij->i", xs, ys))


def by_counts(draw, x, y, rng, count):
    """How often every row is drawn, then one matrix product with x, y, x^2, x y."""
    n = x.size
    rows = draw(rng, (count, n), n)
    rows += (np.arange(count) * n)[:, None]
    counts = np.bincount(rows.ravel(), minlength=count * n).reshape(count, n)
    sums = counts.astype(np.float64) @ np.stack([x, y, x * x, x * y], axis=1)
    return slope_of_sums(n, *sums.T)


def run(variant, x, y, seed, resamples):
    _, method, draw, generator, chunk = variant
    rng = np.random.Generator(generator(seed))
    slopes = np.empty(resamples)
    for begin in range(0, resamples, chunk):
        count = min(chunk, resamples - begin)
        slopes[begin : begin + count] = method(draw, x, y, rng, count)
    return slopes


def variants():
    for method in (by_index, by_take, by_counts):
        for draw in (draw_integers, draw_words, draw_floats):
            for generator in (np.random.PCG64, np.random.SFC64):
                for chunk in (200, 500, 1000):
                    name = f"{method.__name__} {draw.__name__} {generator.__name__} chunk {chunk}"
                    yield name, method, draw, generator, chunk


def timed(variant, x, y, seed, resamples):
    wall, cpu = time.perf_counter(), time.process_time()
    slopes = run(variant, x, y, seed, resamples)
    return slopes, time.perf_counter() - wall, time.process_time() - cpu


def fastest(x, y, trial):
    """Least CPU time of three tries of every variant."""
    tried = {}
    best = None
    for variant in variants():
        seconds = min(timed(variant, x, y, 1, trial)[2] for _ in range(3))
        tried[variant[0]] = seconds
        if best is None or seconds < tried[best[0]]:
            best = variant
    return best, {name: round(seconds / trial * 1e9, 1) for name, seconds in tried.items()}


def main():
    resamples, rows, seed = (int(value) for value in sys.argv[1:4])
    year, log10_flop = make_table(rows)
    x, y = year - year.mean(), log10_flop - log10_flop.mean()
    best, tried = fastest(x, y, max(1000, min(resamples // 50, 10000)))
    print(json.dumps({"numpy": np.__version__, "variant": best[0], "tried": tried}), flush=True)
    for _ in sys.stdin:
        slopes, wall, cpu = timed(best, x, y, seed, resamples)
        seed += 1
        low, median, high = np.percentile(slopes, [2.5, 50.0, 97.5])
        print(json.dumps({"wall": wall, "cpu": cpu, "low": low, "median": median, "high": high}), flush=True)


if __name__ == "__main__":
    main()
