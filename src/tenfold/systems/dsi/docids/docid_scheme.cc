// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/docids/docid_scheme.h"

#include <fmt/format.h>

#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/config/toml.h"
#include "tenfold/systems/dsi/docids/number_schemes.h"
#include "tenfold/systems/dsi/docids/residual_scheme.h"
#include "tenfold/systems/dsi/docids/title_scheme.h"
#include "tenfold/systems/dsi/docids/tree_scheme.h"

namespace tenfold::dsi {
namespace {

constexpr const char* kMember = "docid_scheme.safetensors";
constexpr const char* kOptions = "options";
constexpr const char* kTable = "docids";

std::string text_field(const io::SafetensorsMetadata& metadata, const std::string& name) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) fail_damaged_scheme("the field " + name + " is missing", "nothing", "a value");
  return found->second;
}

void check_part(std::size_t seen, std::size_t wanted, const char* noun) {
  if (seen == 0 || seen == wanted) return;
  throw Error(ErrorClass::kData,
              "dsi.document_parts",
              {.what = fmt::format("there are {} for another number of documents", noun),
               .seen = fmt::format("{}", seen),
               .wanted = fmt::format("{}, or none", wanted),
               .remedy = "give one for each document"});
}

}  // namespace

void fail_damaged_scheme(std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kFile,
              "dsi.damaged_docid_scheme",
              {.what = std::string(kMember) + ": " + std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "the bundle is damaged or of another version: train again"});
}

std::uint64_t scheme_number(const io::SafetensorsReader& file, const std::string& name, std::uint64_t limit) {
  const std::string text = text_field(file.metadata(), name);
  const auto number = parse_integer(text);
  if (!number || *number < 0 || static_cast<std::uint64_t>(*number) > limit)
    fail_damaged_scheme(
        "the field " + name + " is out of range", printable(text, 40), fmt::format("0 to {}", limit));
  return static_cast<std::uint64_t>(*number);
}

DocidSequences Docids::packed() const {
  DocidSequences packed;
  for (const auto& sequence : sequences) packed.add(sequence);
  return packed;
}

void DocidScheme::check(const DocidDocuments& documents) const {
  if (documents.count == 0 || documents.count >= ~std::uint32_t{0})
    throw Error(ErrorClass::kData,
                "dsi.no_documents",
                {.what = "there are no documents to identify, or too many",
                 .seen = fmt::format("{}", documents.count),
                 .wanted = "1 to 4294967294",
                 .remedy = "give at least one document"});
  check_part(documents.titles.size(), documents.count, "titles");
  check_part(documents.texts.size(), documents.count, "texts");
  check_part(documents.embeddings.rows, documents.count, "embeddings");
  if (!reads_embeddings()) return;
  if (documents.embeddings.rows == 0 || documents.embeddings.dimension == 0)
    throw Error(
        ErrorClass::kData,
        "dsi.no_embeddings",
        {.what = fmt::format("identifiers of scheme '{}' need vectors of the documents", options_.scheme),
         .seen = "none",
         .wanted = "one vector a document",
         .remedy = "give embeddings, or choose the scheme atomic, naive or title"});
  search::check_vectors(documents.embeddings, documents.embeddings.dimension, "documents");
}

Docids DocidScheme::layout(std::vector<std::vector<std::uint32_t>> sequences) const {
  check_internal(fitted_, "a scheme that was fitted or read");
  const std::uint32_t count = tokens(sequences.size());
  return {std::move(sequences), count, level_begins()};
}

Docids DocidScheme::assign(const DocidDocuments& documents) {
  check(documents);
  auto sequences = fit(documents);
  fitted_ = true;
  return layout(std::move(sequences));
}

void DocidScheme::add(const DocidDocuments& documents, Docids& docids) const {
  check_internal(fitted_, "a scheme that was fitted or read");
  check(documents);
  auto more = extend(documents, docids);
  docids.sequences.reserve(docids.sequences.size() + more.size());
  for (auto& sequence : more) docids.sequences.push_back(std::move(sequence));
  docids.tokens = tokens(docids.sequences.size());
}

void DocidScheme::State::put_number(const std::string& name, std::uint64_t value) {
  numbers_[name] = fmt::format("{}", value);
}

void DocidScheme::State::put_bytes(const std::string& name,
                                   io::DType dtype,
                                   std::vector<std::uint64_t> shape,
                                   std::span<const std::byte> bytes) {
  tensors_.push_back({name, dtype, std::move(shape), {bytes.begin(), bytes.end()}});
}

void DocidScheme::write(WritableFile& file) const {
  check_internal(fitted_, "a scheme that was fitted or read");
  State state;
  save(state);
  std::vector<io::TensorView> views;
  for (const State::Tensor& tensor : state.tensors_)
    views.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  io::SafetensorsMetadata metadata = state.numbers_;
  DocidOptions options = options_;
  metadata[kOptions] = config::to_toml(config::Fields(options), kTable);
  io::write_safetensors(file, views, metadata);
}

std::unique_ptr<DocidScheme> make_docid_scheme(const DocidOptions& options) {
  DocidOptions copy = options;
  config::check_all(config::Fields(copy));
  if (options.scheme == "atomic") return std::make_unique<AtomicScheme>(options);
  if (options.scheme == "naive") return std::make_unique<NaiveScheme>(options);
  if (options.scheme == "residual") return std::make_unique<ResidualScheme>(options);
  if (options.scheme == "title") return std::make_unique<TitleScheme>(options);
  return std::make_unique<TreeScheme>(options);
}

std::unique_ptr<DocidScheme> read_docid_scheme(const io::SafetensorsReader& file) {
  DocidOptions options;
  std::unique_ptr<DocidScheme> scheme;
  try {
    config::apply_toml(config::Fields(options), text_field(file.metadata(), kOptions), kTable, {}, kMember);
    scheme = make_docid_scheme(options);
  } catch (const Error& error) {
    if (error.error_class() != ErrorClass::kConfig) throw;
    fail_damaged_scheme("its options: " + error.text().what, error.text().seen, error.text().wanted);
  }
  scheme->load(file);
  scheme->fitted_ = true;
  return scheme;
}

void add_scheme_member(io::BundleWriter& bundle, const DocidScheme& scheme) {
  bundle.add(kMember, [&](WritableFile& file) { scheme.write(file); });
}

std::unique_ptr<DocidScheme> open_scheme_member(const io::BundleReader& bundle) {
  return read_docid_scheme(bundle.open_tensors(kMember));
}

}  // namespace tenfold::dsi
