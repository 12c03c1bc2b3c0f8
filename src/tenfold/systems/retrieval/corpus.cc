// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/corpus.h"

#include <utility>

#include "tenfold/systems/retrieval/runtime/piece_vocabulary.h"

namespace tenfold::retrieval {
namespace {

std::vector<std::string> training_texts(const RetrievalData& data) {
  std::vector<std::string> texts = data.corpus.texts;
  const auto train = data.splits.find("train");
  if (train == data.splits.end()) return texts;
  for (const std::uint32_t query : train->second.queries) texts.push_back(data.queries.texts[query]);
  return texts;
}

std::shared_ptr<const Vocabulary> make_vocabulary(const RetrievalData& data,
                                                  const VocabularyOptions& options,
                                                  const EncoderOptions& encoder) {
  if (encoder.kind == "bert")
    return std::make_shared<WordPieceVocabulary>(text::read_bert_tokenizer(encoder.checkpoint));
  const std::vector<std::string> texts = training_texts(data);
  if (encoder.kind == "transformer") return std::make_shared<BytePairVocabulary>(texts, options);
  return std::make_shared<WordVocabulary>(texts, options);
}

}  // namespace

Corpus::Corpus(const DataOptions& data_options,
               const VocabularyOptions& vocabulary_options,
               const EncoderOptions& encoder_options)
    : options(data_options),
      data(load_retrieval_data(data_options)),
      vocabulary(make_vocabulary(data, vocabulary_options, encoder_options)),
      documents((*vocabulary)(data.corpus.texts)),
      queries((*vocabulary)(data.queries.texts)),
      train_relevant(relevant_documents(data, "train")),
      pairs(data, documents, queries, options, vocabulary->continues_word()) {}

Corpus::Corpus(const DataOptions& data_options,
               RetrievalData retrieval_data,
               TokenLists document_tokens,
               TokenLists query_tokens)
    : options(data_options),
      data(std::move(retrieval_data)),
      documents(std::move(document_tokens)),
      queries(std::move(query_tokens)),
      train_relevant(relevant_documents(data, "train")),
      pairs(data, documents, queries, options) {}

TokenLists Corpus::queries_of(const std::string& split) const {
  TokenLists lists;
  for (const std::uint32_t query : data.splits.at(split).queries) lists.add(queries[query]);
  return lists;
}

}  // namespace tenfold::retrieval
