// SPDX-License-Identifier: Apache-2.0
// The texts of an index bundle: the member documents.jsonl.
#pragma once

#include <string>

#include "tenfold/io/bundle.h"
#include "tenfold/search/beir.h"

namespace tenfold::retrieval {

inline constexpr char kDocumentsMember[] = "documents.jsonl";

std::string documents_to_jsonl(const search::BeirCorpus& corpus);
// Titles are empty. Throws as BundleReader::read_text() and io::parse_json(); Error(kFile, "retrieval.documents") when a line is no object
// with _id and text.
search::BeirCorpus read_documents(const io::BundleReader& bundle);

}  // namespace tenfold::retrieval
