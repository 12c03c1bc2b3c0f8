#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faiss and NumPy as peers of the RepCONC benchmark, on one thread.

Usage: repconc_faiss.py FOLDER
Prints {"faiss", "build", "numpy"}, then answers each line of JSON from standard input by one line:
  {"prepare": KIND, ...}  reads what KIND needs from raw files in FOLDER (rows, queries, codes, centroids, coarse, list_of) and keeps
                          it; answers {} or, for "graph", {"build": CPU seconds, "recall"}
  {"run": TASK}           one timed call: {"wall", "cpu"} in seconds
Ends at end of input. Kinds: scan, flat, encode, balance, lists, graph. Faiss has the codewords, codes and lists of the caller, so that both
search the same index; its graph is its own, over the same codes, by Euclidean distance of vectors of length 1.

The BLAS is the OpenMP flavour of OpenBLAS when it is installed, and its kernel is the one for AVX-512 when the processor has that, as for
our own program.
"""

import glob
import json
import os
import sys
import time

OPENBLAS = glob.glob("/usr/lib/*/openblas-openmp/libopenblas.so.0")


def has_avx512():
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
            return " avx512bw" in info.read()
    except OSError:
        return False


if "TENFOLD_PEER" not in os.environ:
    os.environ["TENFOLD_PEER"] = "1"
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if has_avx512():
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"
    if OPENBLAS:
        os.environ["LD_PRELOAD"] = OPENBLAS[0]
    os.execv(sys.executable, [sys.executable, *sys.argv])  # libraries are chosen at the start only

import faiss  # noqa: E402
import numpy as np  # noqa: E402

BEST = 100


def load(name, dtype, columns=None):
    values = np.fromfile(os.path.join(sys.argv[1], name), dtype=dtype)
    return values if columns is None else values.reshape(-1, columns)


def with_codewords(index, trained=True):
    faiss.copy_array_to_vector(load("centroids", np.float32), index.pq.centroids)
    index.is_trained = trained
    return index


def searches(index, queries, best, name):
    one = queries[:1].copy()
    return {
        f"{name}, one query": lambda: index.search(one, best),
        f"{name}, 64 queries": lambda: index.search(queries, best),
    }


def prepare_scan(ask):
    index = with_codewords(faiss.IndexPQ(ask["dimension"], ask["blocks"], ask["bits"], faiss.METRIC_INNER_PRODUCT))
    codes = load("codes", np.uint8)
    faiss.copy_array_to_vector(codes, index.codes)
    index.ntotal = codes.size // index.pq.code_size
    queries = load("queries", np.float32, ask["dimension"])
    tasks = searches(index, queries, BEST, "codes")
    if ask["bits"] == 4:
        tasks.update(searches(faiss.IndexPQFastScan(index), queries, BEST, "fast scan"))
    return tasks, {}


def prepare_flat(ask):
    index = faiss.IndexFlatIP(ask["dimension"])
    index.add(load("rows", np.float32, ask["dimension"]))
    return searches(index, load("queries", np.float32, ask["dimension"]), BEST, "flat"), {}


def prepare_encode(ask):
    index = with_codewords(faiss.IndexPQ(ask["dimension"], ask["blocks"], ask["bits"]))
    rows = load("rows", np.float32, ask["dimension"])
    return {"encode": lambda: index.pq.compute_codes(rows)}, {}


def balanced_codes(rows, words, rounds, epsilon=0.003):
    """One block: costs scaled to [-1, 1], then `rounds` of Sinkhorn in float64 with rows that have 1 as their largest number."""
    costs = ((rows**2).sum(1)[:, None] - 2 * rows @ words.T + (words**2).sum(1)).astype(np.float64)
    low, high = costs.min(), costs.max()
    scaled = (2 * (costs - low) / (high - low) - 1) / epsilon
    top = scaled.min(1)
    kernel = np.exp(top[:, None] - scaled)
    sums = np.exp(-top) @ kernel
    for _ in range(rounds):
        v = 1 / (len(words) * sums)
        u = 1 / (len(rows) * (kernel @ v))
        sums = u @ kernel
    return (kernel * v).argmax(1)


def prepare_balance(ask):
    blocks, width = ask["blocks"], ask["dimension"] // ask["blocks"]
    rows = load("rows", np.float32, ask["dimension"])
    words = load("centroids", np.float32).reshape(blocks, -1, width)

    def run():
        for j in range(blocks):
            balanced_codes(rows[:, j * width : (j + 1) * width], words[j], ask["rounds"])

    return {"balance": run}, {}


def prepare_lists(ask):
    coarse = load("coarse", np.float32, ask["dimension"])
    quantizer = faiss.IndexFlatIP(ask["dimension"])
    quantizer.add(coarse)
    index = faiss.IndexIVFPQ(quantizer, ask["dimension"], len(coarse), ask["blocks"], 8, faiss.METRIC_INNER_PRODUCT)
    index.by_residual = False
    with_codewords(index)
    codes, list_of = load("codes", np.uint8, ask["blocks"]), load("list_of", np.uint32)
    order = np.argsort(list_of, kind="stable").astype(np.int64)
    ends = np.cumsum(np.bincount(list_of, minlength=len(coarse)))
    for number, rows in enumerate(np.split(order, ends[:-1])):
        if len(rows) > 0:
            part = np.ascontiguousarray(codes[rows])
            index.invlists.add_entries(number, len(rows), faiss.swig_ptr(rows.copy()), faiss.swig_ptr(part))
    index.ntotal = len(codes)
    index.nprobe = ask["probes"]
    queries = load("queries", np.float32, ask["dimension"])
    return {"lists": lambda: index.search(queries, 10), "keep": quantizer}, {}


def prepare_graph(ask):
    rows, queries = (load(name, np.float32, ask["dimension"]) for name in ("rows", "queries"))
    whole = with_codewords(faiss.IndexPQ(ask["dimension"], ask["blocks"], 8))
    whole.pq.compute_sdc_table()
    whole.add(rows)
    codes = with_codewords(faiss.IndexPQ(ask["dimension"], ask["blocks"], 8))
    codes.pq.compute_sdc_table()
    graph = faiss.IndexHNSW(codes, ask["neighbors"])
    graph.hnsw.efConstruction, graph.hnsw.efSearch = ask["construction"], ask["candidates"]
    graph.is_trained = True
    start = time.process_time()
    graph.add(rows)
    build = time.process_time() - start
    best, found = whole.search(queries, ask["best"])[1], graph.search(queries, ask["best"])[1]
    recall = np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(best, found)])
    tasks = {"graph": lambda: graph.search(queries, ask["best"]), "keep": codes}
    return tasks, {"build": build, "recall": float(recall)}


def main():
    faiss.omp_set_num_threads(1)
    hello = {"faiss": faiss.__version__, "build": faiss.get_compile_options().strip(), "numpy": np.__version__}
    print(json.dumps(hello), flush=True)
    kinds = {
        "scan": prepare_scan,
        "flat": prepare_flat,
        "encode": prepare_encode,
        "balance": prepare_balance,
        "lists": prepare_lists,
        "graph": prepare_graph,
    }
    tasks = {}
    for line in sys.stdin:
        ask = json.loads(line)
        if "prepare" in ask:
            tasks, answer = kinds[ask["prepare"]](ask)
            print(json.dumps(answer), flush=True)
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        tasks[ask["run"]]()
        print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main()
