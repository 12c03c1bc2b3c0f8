// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/change.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/dsi/atomic_model.h"
#include "tenfold/systems/dsi/sequence_model.h"
#include "tenfold/systems/dsi/task.h"
#include "tenfold/systems/retrieval/tensor_rows.h"
#include "tenfold/systems/training/in_memory.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::dsi {
namespace {

constexpr std::int64_t kViews = 12;  // of a new document, for its row and for the report
constexpr std::size_t kViewLength = 32;
constexpr std::uint64_t kViewStream = 0x61646476;

std::unordered_map<std::string, std::size_t> places_of(const std::vector<std::string>& ids) {
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < ids.size(); ++i) places.emplace(ids[i], i);
  return places;
}

void check_new(const OpenModel& open, const search::BeirCorpus& documents) {
  const auto places = places_of(open.corpus.ids);
  for (std::size_t i = 0; i < documents.ids.size(); ++i) {
    if (places.contains(documents.ids[i]))
      throw Error(ErrorClass::kData,
                  "dsi.duplicate_id",
                  {.what = "a document with this id is there already",
                   .seen = printable(documents.ids[i]),
                   .wanted = "new ids",
                   .remedy = "give the document another id, or restore the deleted one"});
    if ((*open.vocabulary)(documents.texts[i]).empty())
      throw Error(ErrorClass::kData,
                  "dsi.empty_document",
                  {.what = "a new document has no word that the model knows",
                   .seen = printable(documents.ids[i]),
                   .wanted = "known words",
                   .remedy = "leave it out, or train a model on all documents"});
  }
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

search::BeirCorpus joined(search::BeirCorpus corpus, const search::BeirCorpus& more) {
  append(corpus.ids, more.ids);
  append(corpus.texts, more.texts);
  append(corpus.titles, more.titles);
  return corpus;
}

// The corpus of the model and the new documents, as training sees it; no labels.
std::shared_ptr<const retrieval::Corpus> training_corpus(const OpenModel& open,
                                                         const search::BeirCorpus& all) {
  retrieval::RetrievalData data;
  data.corpus = all;
  retrieval::DataOptions options = open.options.data;
  options.pseudo_queries = 1;
  auto corpus = std::make_shared<retrieval::Corpus>(
      options, std::move(data), (*open.vocabulary)(all.texts), retrieval::TokenLists{});
  corpus->vocabulary = open.vocabulary;
  return corpus;
}

// Views of one document as an ExampleDataset draws them.
retrieval::TokenLists views_of(const ExampleDataset& examples,
                               const std::vector<std::string>& kinds,
                               std::int64_t document,
                               std::uint64_t seed) {
  retrieval::TokenLists views;
  std::array<std::int64_t, kViewLength> buffer{};
  for (std::int64_t i = 0; i < kViews; ++i) {
    const std::string& kind = kinds[static_cast<std::size_t>(i) % kinds.size()];
    random::Generator draws(
        seed, kViewStream + static_cast<std::uint64_t>(document), static_cast<std::uint64_t>(i) * 1024);
    const std::size_t count = examples.put_view(kind, document, draws, buffer);
    views.add(std::span(buffer).first(count));
  }
  return views;
}

double found_first(OpenModel& open, const ExampleDataset& examples, std::size_t before, std::uint64_t seed) {
  std::size_t asked = 0, first = 0;
  for (std::size_t i = before; i < open.size(); ++i) {
    const auto document = static_cast<std::int64_t>(i);
    const retrieval::TokenLists views = views_of(examples, open.options.examples.views, document, seed + 1);
    for (const search::Hits& hits : open.model->rank(views, {.k = 1, .allowed = &open.live})) {
      ++asked;
      first += !hits.empty() && hits.front().row == i ? 1 : 0;
    }
  }
  return asked == 0 ? 0.0 : static_cast<double>(first) / static_cast<double>(asked);
}

// Everything but the model itself.
void take_documents(OpenModel& open,
                    search::BeirCorpus all,
                    Docids docids,
                    const search::BeirCorpus& documents) {
  open.documents = std::make_shared<const retrieval::TokenLists>((*open.vocabulary)(all.texts));
  open.corpus = std::move(all);
  open.docids = std::move(docids);
  open.live.resize(open.size(), true);
  open.words.add(documents.texts);
}

Docids extended(const OpenModel& open, const search::BeirCorpus& documents) {
  Docids docids = open.docids;
  if (is_atomic(open.options)) return docids;
  torch::Tensor vectors;
  retrieval::Encoder encoder = open.dual;
  if (!encoder.is_empty()) vectors = encoder->encode((*open.vocabulary)(documents.texts)).contiguous();
  DocidDocuments parts{.count = documents.ids.size(), .titles = documents.titles, .texts = documents.texts};
  if (vectors.defined()) parts.embeddings = retrieval::rows_of(vectors);
  open.scheme->add(parts, docids);
  return docids;
}

void add_rows(OpenModel& open, const ExampleDataset& examples, std::size_t before, std::uint64_t seed) {
  std::vector<retrieval::TokenLists> views;
  for (std::size_t i = before; i < open.size(); ++i)
    views.push_back(views_of(examples, open.options.examples.views, static_cast<std::int64_t>(i), seed));
  dynamic_cast<AtomicModelImpl&>(*open.model).add_documents(open.documents, views);
}

// A sequence model of all documents with the weights there are; what is new in it is fresh.
DocidModel grown(const OpenModel& open) {
  DocidModel model = make_model(open.options,
                                *open.vocabulary,
                                open.documents,
                                retrieval::make_encoder(encoder_of(open.options), *open.vocabulary),
                                open.docids);
  train::TensorMap weights = train::module_tensors(*open.model);
  for (auto& [name, tensor] : train::module_tensors(*model)) {
    const auto found = weights.find(name);
    if (found == weights.end() || found->second.sizes() == tensor.sizes()) continue;
    torch::Tensor larger = tensor.clone();  // positions of longer identifiers stand behind the old ones
    larger.slice(0, 0, found->second.size(0)).copy_(found->second);
    found->second = larger;
  }
  train::copy_into(*model, weights);
  return model;
}

void continue_training(OpenModel& open,
                       const std::shared_ptr<const retrieval::Corpus>& corpus,
                       std::size_t before,
                       const AddOptions& options,
                       std::uint64_t seed,
                       const StopToken* stop) {
  // New documents, and old ones in turn until there are `replay` times as many.
  const std::size_t fresh = open.size() - before;
  std::vector<std::int64_t> documents(fresh);
  std::iota(documents.begin(), documents.end(), static_cast<std::int64_t>(before));
  const auto replayed = static_cast<std::size_t>(std::llround(options.replay * static_cast<double>(fresh)));
  std::vector<std::uint32_t> old(before);
  if (before > 0) random::permutation(seed, kViewStream, old);
  for (std::size_t i = 0; i < std::min(replayed, before); ++i) documents.push_back(old[i]);
  ExampleOptions views = open.options.examples;
  views.label_repeats = 0;
  views.per_document = std::max<std::int64_t>(1, views.per_document);
  DsiTask task(corpus, std::make_shared<const ExampleDataset>(corpus, views, documents), open.model, 1.0);
  const train::TrainerOptions trainer = training::trainer_of({.epochs = options.epochs,
                                                              .batch_size = 256,
                                                              .learning_rate = options.learning_rate,
                                                              .weight_decay = 0.0});
  training::train_in_memory(task, trainer, {.what = "added documents", .seed = seed, .stop = stop});
}

}  // namespace

AddReport add_documents(OpenModel& open,
                        const search::BeirCorpus& documents,
                        const AddOptions& options,
                        std::uint64_t seed,
                        const StopToken* stop) {
  const bool atomic = is_atomic(open.options);
  if (options.method == "row" && !atomic)
    throw Error(ErrorClass::kConfig,
                "dsi.no_rows",
                {.what = "only atomic identifiers have rows of their own",
                 .seen = "identifiers by the scheme " + open.options.docid.scheme,
                 .wanted = "--method train",
                 .remedy = "use --method train or auto"});
  check_new(open, documents);
  Docids docids = extended(open, documents);
  const std::size_t before = open.size();
  AddReport report{.method = atomic && options.method != "train" ? "row" : "train"};
  const auto begin = std::chrono::steady_clock::now();
  take_documents(open, joined(open.corpus, documents), std::move(docids), documents);
  const std::shared_ptr<const retrieval::Corpus> corpus = training_corpus(open, open.corpus);
  ExampleOptions views = open.options.examples;
  views.per_document = std::max<std::int64_t>(1, views.per_document);
  const ExampleDataset examples(corpus, views);
  if (atomic)
    add_rows(open, examples, before, seed);
  else
    open.model = grown(open);
  if (report.method == "train") continue_training(open, corpus, before, options, seed, stop);
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  report.milliseconds_each = ms / static_cast<double>(std::max<std::size_t>(1, open.size() - before));
  report.found_first = found_first(open, examples, before, seed);
  return report;
}

void set_live(OpenModel& open, const std::vector<std::string>& ids, bool live) {
  const auto places = places_of(open.corpus.ids);
  for (const std::string& id : ids)
    if (!places.contains(id))
      throw Error(ErrorClass::kData,
                  "dsi.unknown_id",
                  {.what = "the model has no document with this id",
                   .seen = printable(id),
                   .wanted = "ids of its documents",
                   .remedy = "look the id up with tenfold dsi search"});
  for (const std::string& id : ids) {
    const std::size_t place = places.at(id);
    if (live)
      open.live.set(place);
    else
      open.live.clear(place);
  }
}

}  // namespace tenfold::dsi
