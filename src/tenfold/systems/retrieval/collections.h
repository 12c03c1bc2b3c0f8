// SPDX-License-Identifier: Apache-2.0
// Collections made from what a Debian system has: glosses of WordNet with their example sentences, and package descriptions with their
// synopses. Nothing of them comes with this program. No LibTorch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::retrieval {

struct MadeCollection {
  struct Document {
    std::string id, text;
  };
  struct Query {
    std::string id, text;
    std::vector<std::string> documents;  // ids of the relevant ones, all of one split
    std::string split;                   // "train", "dev", "test"
  };
  std::vector<Document> documents;
  std::vector<Query> queries;
};

// "test" and "dev" for a tenth of all ids each, by their hash, else "train".
std::string split_of_document(std::string_view id);

// data.noun, data.verb, data.adj and data.adv as wndb(5WN) describes them, by name. One document a synset: the words of the synset, those of
// its hypernyms, and the definition; the queries are its example sentences. Words of the synset that an example sentence of it
// uses are taken out of the document: matching them would be no more than looking up a word. Throws Error(kData,
// "collection.wordnet_line") with file and line.
MadeCollection parse_wordnet(const std::map<std::string, std::string>& files);

// Paragraphs with "Package:" and "Description-en:" (or "Description:" with more than its first line). One document a long description,
// without the name of its package; the synopses are the queries. Equal descriptions are one document, equal synopses one query
// with all their documents; a query whose documents are of different splits is left out. Throws Error(kData,
// "collection.no_descriptions").
MadeCollection parse_packages(std::string_view text);

// A folder in the form of BEIR (search/beir.h): corpus.jsonl, queries.jsonl, qrels/{train,dev,test}.tsv. Documents and queries in order of
// their ids.
void write_collection(FileSystem& files, const Path& folder, MadeCollection collection);

}  // namespace tenfold::retrieval
