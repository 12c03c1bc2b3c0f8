#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch peer of the DSI benchmark: T5 1.1 with constrained beam search and key-value cache, on one thread.

Usage: dsi_torch.py FOLDER
FOLDER holds model.safetensors, docids.tokens (uint32), docids.ends (uint64) and queries (uint32, [count, length]).
Prints {"torch", "threads"} and then answers one line of JSON for each line of JSON on standard input:
  {"length": L}                            ->  {}: tokens of a query
  {"first": I, "count": N, "beams": W}     ->  {"wall", "cpu", "found": [[document, log probability], ...] of each query}
Ends at end of input. The search is the usual one: the encoder once, one row a hypothesis, caches of keys and values that follow the beam by
index_select, log-softmax over all docid tokens, then a mask of the tokens that a trie of dictionaries allows, then the best W of all
continuations; those that end leave.

The BLAS is the OpenMP flavour of OpenBLAS when it is installed, and its kernel is the one for AVX-512 when the processor has that, as for
our own program.
"""

import glob
import json
import math
import os
import struct
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

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

torch.set_num_threads(1)
EPSILON, BUCKETS, MAX_DISTANCE = 1e-6, 32, 128


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, info in header.items():
        begin, end = info["data_offsets"]
        values = np.frombuffer(data[8 + size + begin : 8 + size + end], dtype=np.float32)
        tensors[name] = torch.from_numpy(values.copy()).reshape(info["shape"])
    return tensors


def buckets(relative, both):
    half = BUCKETS // 2 if both else BUCKETS
    first = (relative > 0).long() * half if both else torch.zeros_like(relative)
    distance = relative.abs() if both else (-relative).clamp(min=0)
    exact = half // 2
    far = exact + (
        torch.log(distance.float().clamp(min=1) / exact) / math.log(MAX_DISTANCE / exact) * (half - exact)
    ).long()
    return first + torch.where(distance < exact, distance, far.clamp(max=half - 1))


def norm(x, weight):
    return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON))


class Model:
    def __init__(self, tensors):
        self.w = tensors
        self.heads = tensors["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"].shape[1]
        self.layers = {
            stack: len({name.split(".")[2] for name in tensors if name.startswith(stack + ".block.")})
            for stack in ("encoder", "decoder")
        }
        self.tokens = tensors["docid.head.weight"].shape[0]

    def split(self, x):  # [rows, length, heads x size] -> [rows, heads, length, size]
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def project(self, x, place, which):
        return self.split(F.linear(x, self.w[place + which + ".weight"]))

    def attend(self, query, key, value, bias, place):
        scores = query @ key.transpose(2, 3)
        if bias is not None:
            scores = scores + bias
        mixed = (F.softmax(scores, dim=-1) @ value).transpose(1, 2).reshape(query.shape[0], query.shape[2], -1)
        return F.linear(mixed, self.w[place + "o.weight"])

    def feed_forward(self, x, place):
        y = norm(x, self.w[place + "layer_norm.weight"])
        gate = F.linear(y, self.w[place + "DenseReluDense.wi_0.weight"])
        gate = 0.5 * gate * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (gate + 0.044715 * gate.pow(3))))
        inner = gate * F.linear(y, self.w[place + "DenseReluDense.wi_1.weight"])
        return x + F.linear(inner, self.w[place + "DenseReluDense.wo.weight"])

    def bias(self, stack, queries, keys):
        relative = torch.arange(keys)[None, :] - queries[:, None]
        table = self.w[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        return table[buckets(relative, stack == "encoder")].permute(2, 0, 1)[None]

    def encode(self, texts):
        x = self.w["shared.weight"][texts]
        bias = self.bias("encoder", torch.arange(texts.shape[1]), texts.shape[1])
        for i in range(self.layers["encoder"]):
            place = f"encoder.block.{i}.layer."
            y = norm(x, self.w[place + "0.layer_norm.weight"])
            at = place + "0.SelfAttention."
            x = x + self.attend(*(self.project(y, at, which) for which in "qkv"), bias, at)
            x = self.feed_forward(x, place + "1.")
        return norm(x, self.w["encoder.final_layer_norm.weight"])

    def cross_cache(self, memory, beams):
        cache = []
        for i in range(self.layers["decoder"]):
            at = f"decoder.block.{i}.layer.1.EncDecAttention."
            cache.append([self.project(memory, at, which).repeat_interleave(beams, dim=0) for which in "kv"])
        return cache

    def step(self, tokens, position, cache, cross):
        x = (self.w["docid.embedding.weight"][tokens] + self.w["docid.position.weight"][position])[:, None]
        bias = self.bias("decoder", torch.tensor([position]), position + 1)
        for i in range(self.layers["decoder"]):
            place = f"decoder.block.{i}.layer."
            at = place + "0.SelfAttention."
            y = norm(x, self.w[place + "0.layer_norm.weight"])
            key, value = self.project(y, at, "k"), self.project(y, at, "v")
            if position > 0:
                key, value = torch.cat([cache[i][0], key], dim=2), torch.cat([cache[i][1], value], dim=2)
            cache[i] = [key, value]
            x = x + self.attend(self.project(y, at, "q"), key, value, bias, at)
            at = place + "1.EncDecAttention."
            y = norm(x, self.w[place + "1.layer_norm.weight"])
            x = x + self.attend(self.project(y, at, "q"), cross[i][0], cross[i][1], None, at)
            x = self.feed_forward(x, place + "2.")
        hidden = norm(x, self.w["decoder.final_layer_norm.weight"])[:, 0]
        return F.log_softmax(F.linear(hidden, self.w["docid.head.weight"]), dim=-1)


def build_trie(tokens, ends):
    root, begin = {}, 0
    for document, end in enumerate(ends):
        node = root
        for token in tokens[begin : end - 1]:
            node = node.setdefault(token, {})
        node[0] = document
        begin = end
    return root


@torch.inference_mode()
def search(model, trie, texts, beams):
    count = texts.shape[0]
    cross = model.cross_cache(model.encode(texts), beams)
    cache = [None] * model.layers["decoder"]
    nodes = [[trie] + [None] * (beams - 1) for _ in range(count)]
    scores = torch.full((count, beams), -math.inf)
    scores[:, 0] = 0.0
    tokens = torch.full((count * beams,), model.tokens, dtype=torch.long)
    found = [[] for _ in range(count)]
    for position in range(model.w["docid.position.weight"].shape[0]):
        mask = torch.full((count * beams, model.tokens), -math.inf)
        alive = False
        for query, row in enumerate(nodes):
            for beam, node in enumerate(row):
                if node is not None:
                    mask[query * beams + beam, list(node)] = 0.0
                    alive = True
        if not alive:
            break
        log_p = model.step(tokens, position, cache, cross) + mask
        total = scores[:, :, None] + log_p.view(count, beams, -1)
        ended = total[:, :, 0].tolist()
        for query, row in enumerate(nodes):
            found[query] += [(node[0], ended[query][beam]) for beam, node in enumerate(row) if node and 0 in node]
        total[:, :, 0] = -math.inf
        scores, best = total.view(count, -1).topk(beams, dim=-1)
        parents, chosen = torch.div(best, model.tokens, rounding_mode="floor"), best % model.tokens
        for query in range(count):
            row = zip(scores[query].tolist(), parents[query].tolist(), chosen[query].tolist())
            nodes[query] = [nodes[query][p][t] if s > -math.inf else None for s, p, t in row]
        rows = (parents + torch.arange(count)[:, None] * beams).view(-1)
        cache = [[part.index_select(0, rows) for part in layer] for layer in cache]
        tokens = chosen.view(-1)
    return [sorted(results, key=lambda result: -result[1])[:beams] for results in found]


def main():
    folder = sys.argv[1]
    model = Model(read_safetensors(os.path.join(folder, "model.safetensors")))
    trie = build_trie(
        np.fromfile(os.path.join(folder, "docids.tokens"), dtype=np.uint32).tolist(),
        np.fromfile(os.path.join(folder, "docids.ends"), dtype=np.uint64).tolist(),
    )
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    queries = None
    for line in sys.stdin:
        ask = json.loads(line)
        if "length" in ask:
            values = np.fromfile(os.path.join(folder, "queries"), dtype=np.uint32).astype(np.int64)
            queries = torch.from_numpy(values).view(-1, ask["length"])
            print("{}", flush=True)
            continue
        texts = queries[ask["first"] : ask["first"] + ask["count"]]
        wall, cpu = time.perf_counter(), time.process_time()
        found = search(model, trie, texts, ask["beams"])
        times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps({**times, "found": found}), flush=True)


if __name__ == "__main__":
    main()
