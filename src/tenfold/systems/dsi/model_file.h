// SPDX-License-Identifier: Apache-2.0
// A trained DSI as one bundle: weights, vocabulary, identifiers and their trie, texts, BM25 of them, deleted documents.
#pragma once

#include <memory>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/io/bundle.h"
#include "tenfold/search/beir.h"
#include "tenfold/search/bitmap.h"
#include "tenfold/search/bm25.h"
#include "tenfold/systems/dsi/stages.h"

namespace tenfold::dsi {

struct OpenModel {
  TrainOptions options;
  std::shared_ptr<const retrieval::Vocabulary> vocabulary;
  search::BeirCorpus corpus;
  std::shared_ptr<const retrieval::TokenLists> documents;  // tokens of the corpus
  DocidModel model{nullptr};
  retrieval::Encoder dual{nullptr};  // null when it was not trained
  std::shared_ptr<const DocidScheme> scheme;
  Docids docids;        // empty when atomic
  search::Bitmap live;  // a bit a document
  search::Bm25Index words;

  std::size_t size() const { return corpus.ids.size(); }
  // The identifier of a document for people.
  std::string docid(std::size_t document) const;
};

// Writes the bundle at once or not at all.
void write_model(FileSystem& files, const Path& target, const OpenModel& open);

// Throws Error(kFile): what the readers throw, "dsi.model" when the parts do not fit together.
OpenModel open_model(const io::BundleReader& bundle);
// The bundle `path`, or `path`/model of a run folder. Throws Error(kFile, "dsi.no_model"), Error(kData, "run.other_system").
io::BundleReader open_part(const std::string& path);

}  // namespace tenfold::dsi
