#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes data/compute_trends/systems.csv: the figures of the 123 milestone systems of arXiv 2202.05924.

Inputs
  --paper  the table that stands in the saved output of the notebook of the paper's own repository
           (github.com/ML-Progress/Compute-Trends): 123 rows, three without a name, domains lost
  --owid   Our World in Data's export of the same table, April 2022: names and domains, compute to two digits
  --epoch  a later Epoch AI extract: used for the organisation where the paper's table has none

What it does
  1. Keeps name, date, domain, organisation, parameters and training compute; no prose is taken over. Dates, parameters
     and compute are the paper table's, unchanged.
  2. Recovers the names of the nameless rows: the one row of --owid with the same date and, to two digits, the same
     compute.
  3. Two rows are called "OpenAI Five": the one whose compute equals --owid's "OpenAI Five Rerun" gets that name.
  4. Takes the domain from the row of --owid with the same name, else from the row with the same compute to two digits
     whose name holds all words of three letters or more but "model" ("LSUN Bedroom model"). A row without exactly one
     partner is an error.
  5. Tidies organisations: one separator (","), spellings of ORGANIZATIONS below; fills empty ones from --epoch.
  6. Sorts by date, keeping the paper table's order within a day.
It stops with a message when an input does not look as described, so a changed input cannot pass unseen.
"""

import argparse
import csv
import re
import sys

DOMAINS = ("Vision", "Language", "Games", "Speech", "Drawing", "Multimodal", "Recommendation", "Robotics", "Driving",
           "Other")

# Spellings of one organisation brought to one form: a bootstrap by organisation would otherwise count it twice.
ORGANIZATIONS = {
    "standford university": "Stanford University", "stanford": "Stanford University",
    "univeristy of amsterdam": "University of Amsterdam", "university of montreal": "Université de Montréal",
    "universite de montréal": "Université de Montréal", "university de montreal": "Université de Montréal",
    "carnagie mellon university": "Carnegie Mellon University", "cmu": "Carnegie Mellon University",
    "massachusetts institute of technology": "MIT", "open ai": "OpenAI", "google deepmind": "DeepMind",
    "google ai": "Google", "google research": "Google", "brain team": "Google", "google brain": "Google",
    "tsinghua university": "Tsinghua University", "facebook ai": "Facebook", "facebook ai research": "Facebook",
    "microsoft research": "Microsoft", "baidu research- silicon valley ai lab": "Baidu", "baidu inc.": "Baidu",
    "the technical university of munich": "Technical University of Munich",
    "technical univeristy of munich": "Technical University of Munich", "tu munich": "Technical University of Munich",
    "at&t bell laboratories": "AT&T Labs", "pangu-α team": "Huawei", "salesforce research": "Salesforce",
    "mila- quebec ai": "Mila", "damo academy alibaba": "Alibaba", "nyu": "New York University",
    "cracow": "",
    "university of lugano & supsi": "University of Lugano,SUPSI", "princeton": "Princeton University",
    "brown": "Brown University", "compaq crl": "Compaq CRL", "eleutherai": "EleutherAI", "naver": "NAVER",
}
# The paper's table names no organisation and the Epoch extract lacks the row or lists a second name for it.
MISSING_ORGANIZATIONS = {"GPT-Neo": "EleutherAI", "GPT-J-6B": "EleutherAI", "HyperClova": "NAVER",
                         "MSRA (C, PReLU)": "Microsoft"}
OPENAI_FIVE = "OpenAI Five"


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_owid(path):
    """The export has one name with a line break that is not quoted: a row with the name's first half alone."""
    rows, first_half = [], ""
    for r in read(path):
        if r["Day"] is None:
            first_half = r["Entity"] + " "
            continue
        rows.append({"name": " ".join((first_half + r["Entity"]).split()), "day": r["Day"], "domain": r["Domain"],
                     "flop": float(r["Computation used in training AI systems (petaFLOPs)"]) * 1e15})
        first_half = ""
    return rows


def same_to_two_digits(value, rounded):
    return abs(value / rounded - 1) <= 0.051  # half a unit of the second digit, at most 0.05 / 1.0


def fail(message):
    sys.exit("make_systems_table.py: " + message)


def only(matches, row):
    if len(matches) != 1:
        fail(f"{row['Publication date']} {row['System'] or '(no name)'}: {len(matches)} partners, wanted 1")
    return matches[0]


def words(text):
    return {w for w in re.findall(r"[a-z0-9]+", text.lower()) if len(w) >= 3 and w != "model"}


def name_of(row, owid):
    flop = float(row["Training compute (FLOPs)"])
    name = " ".join(row["System"].split())
    if not name:
        return only([e["name"] for e in owid
                     if e["day"] == row["Publication date"] and same_to_two_digits(flop, e["flop"])], row)
    if name == OPENAI_FIVE:
        return only([e["name"] for e in owid
                     if e["name"].startswith(OPENAI_FIVE) and same_to_two_digits(flop, e["flop"])], row)
    return name


def domain_of(name, row, owid):
    flop = float(row["Training compute (FLOPs)"])
    matches = [e["domain"] for e in owid if e["name"] == name]
    if not matches:
        matches = [e["domain"] for e in owid
                   if same_to_two_digits(flop, e["flop"]) and words(name) <= words(e["name"])]
    domain = only(matches, row)
    if domain not in DOMAINS:
        fail(f"{name}: domain {domain} is not one of {', '.join(DOMAINS)}")
    return domain


def organization_of(name, text, epoch):
    if not text.strip():
        text = MISSING_ORGANIZATIONS.get(name) or epoch.get(name, "")
        if not text:
            fail(f"{name}: no organisation in --paper or --epoch")
    parts = []
    for part in re.split(r"[,;]| and ", text):
        part = " ".join(part.split())
        for tidy in ORGANIZATIONS.get(part.lower(), part).split(","):
            if tidy and tidy not in parts:
                parts.append(tidy)
    return ",".join(parts)


def figure(text):
    if not text:
        return ""
    value = float(text)
    if not 0 < value < float("inf"):
        fail(f"figure {text} is not positive")
    short = format(value, ".15g")
    return short if float(short) == value else repr(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("paper", "owid", "epoch", "out"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()
    owid = read_owid(options.owid)
    epoch = {r["Model"]: r["Organization"] for r in read(options.epoch)}
    rows = []
    for row in read(options.paper):
        name = name_of(row, owid)
        rows.append([name, row["Publication date"], domain_of(name, row, owid),
                     organization_of(name, row["Organization(s)"], epoch), figure(row["Parameters"]),
                     figure(row["Training compute (FLOPs)"])])
    if len(rows) != 123 or len({r[0] for r in rows}) != 123:
        fail(f"{len(rows)} rows with {len({r[0] for r in rows})} names, wanted 123 of each")
    rows.sort(key=lambda r: r[1])
    with open(options.out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "date", "domain", "organization", "parameters", "training_flop"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
