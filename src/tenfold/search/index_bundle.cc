// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/index_bundle.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/safetensors.h"

namespace tenfold::search {
namespace {

using io::DType;

constexpr const char* kTensors = "index.safetensors";
constexpr const char* kCodes = "index.codes";

[[noreturn]] void fail(std::string_view code, std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kFile,
              fmt::format("index_bundle.{}", code),
              {.what = std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "the bundle is damaged or of another version: build the index again"});
}

template <typename T>
io::TensorView view(std::string name,
                    DType type,
                    std::vector<std::uint64_t> shape,
                    const std::vector<T>& values) {
  return {std::move(name), type, std::move(shape), std::as_bytes(std::span(values))};
}

std::uint64_t field(const std::map<std::string, std::string>& metadata,
                    const std::string& name,
                    std::uint64_t most) {
  const auto entry = metadata.find(name);
  const auto number = entry == metadata.end() ? std::nullopt : parse_integer(entry->second);
  if (number && *number >= 0 && static_cast<std::uint64_t>(*number) <= most)
    return static_cast<std::uint64_t>(*number);
  fail("field",
       fmt::format("the index lacks its field {}", name),
       entry == metadata.end() ? "nothing" : printable(entry->second, 40),
       fmt::format("a number from 0 to {}", most));
}

using Tensors = std::vector<io::TensorView>;
using Metadata = std::map<std::string, std::string>;

// A graph as tensors `name`_levels, _links and _upper and its options as metadata.
void put_graph(const std::string& name, const NeighborGraph& graph, Tensors& tensors, Metadata& metadata) {
  const auto& parts = graph.parts();
  const auto room = static_cast<std::uint64_t>(graph.options().neighbors);
  tensors.push_back(view(name + "_levels", DType::kU8, {parts.levels.size()}, parts.levels));
  tensors.push_back(view(name + "_links", DType::kU32, {parts.levels.size(), 2 * room}, parts.links));
  tensors.push_back(view(name + "_upper", DType::kU32, {parts.upper.size() / room, room}, parts.upper));
  metadata[name + "_neighbors"] = std::to_string(room);
  metadata[name + "_candidates"] = std::to_string(graph.options().candidates);
  metadata[name + "_seed"] = std::to_string(graph.options().seed);
  metadata[name + "_entry"] = std::to_string(parts.entry);
}

NeighborGraph read_graph(const std::string& name,
                         const io::SafetensorsReader& tensors,
                         const Metadata& metadata) {
  const auto number = [&](const char* what, std::uint64_t most) {
    return static_cast<std::int64_t>(field(metadata, name + what, most));
  };
  const GraphOptions options{.neighbors = number("_neighbors", 256),
                             .candidates = number("_candidates", 10000),
                             .seed = number("_seed", std::uint64_t{1} << 53)};
  return NeighborGraph(options,
                       {.levels = tensors.read_as<std::uint8_t>(name + "_levels"),
                        .links = tensors.read_as<std::uint32_t>(name + "_links"),
                        .upper = tensors.read_as<std::uint32_t>(name + "_upper"),
                        .entry = static_cast<std::uint32_t>(number("_entry", 0xFFFFFFFEu))});
}

void put_quantizer(const ProductQuantizer& pq, Tensors& tensors, Metadata& metadata) {
  const std::size_t d = pq.dimension();
  tensors.push_back(
      view("centroids", DType::kF32, {pq.blocks(), pq.codewords(), pq.width()}, pq.parts().centroids));
  if (pq.has_rotation()) tensors.push_back(view("rotation", DType::kF32, {d, d}, pq.parts().rotation));
  metadata["dimension"] = std::to_string(d);
  metadata["blocks"] = std::to_string(pq.blocks());
  metadata["bits"] = std::to_string(pq.bits());
  metadata["anisotropy"] = fmt::format("{}", pq.parts().anisotropy);
}

void put_training(const CodeCounts* training, Tensors& tensors, Metadata& metadata) {
  if (training == nullptr) return;
  tensors.push_back(view("training_codes", DType::kU64, {training->counts.size()}, training->counts));
  metadata["training_rows"] = std::to_string(training->rows);
  metadata["training_error"] = fmt::format("{}", training->squared_error);
  metadata["training_length"] = fmt::format("{}", training->squared_length);
}

std::vector<std::uint32_t> removed_rows(const VectorIndex& index) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < index.size(); ++row) {
    if (index.removed().test(row)) rows.push_back(row);
  }
  return rows;
}

void check_kind(const io::SafetensorsReader& tensors, bool graph) {
  const bool has = tensors.contains("graph_levels");
  if (has == graph) return;
  fail("kind",
       "the index is of another kind",
       has ? "one with a graph" : "one without a graph",
       graph ? "an index made with one" : "an index of codes alone");
}

std::vector<float> optional_floats(const io::SafetensorsReader& tensors, const char* name) {
  return tensors.contains(name) ? tensors.read_as<float>(name) : std::vector<float>();
}

ProductQuantizer read_quantizer(const io::SafetensorsReader& tensors,
                                const std::map<std::string, std::string>& metadata) {
  ProductQuantizerParts parts{.dimension = field(metadata, "dimension", 1 << 20),
                              .blocks = field(metadata, "blocks", 1 << 20),
                              .bits = field(metadata, "bits", 8),
                              .centroids = tensors.read_as<float>("centroids"),
                              .rotation = optional_floats(tensors, "rotation")};
  const auto entry = metadata.find("anisotropy");
  if (entry != metadata.end()) parts.anisotropy = parse_double(entry->second).value_or(std::nan(""));
  return ProductQuantizer(std::move(parts));
}

// The part of `bytes` that holds the blocks of each list, in order; the parts cover it.
std::vector<CodeStore> read_stores(const ProductQuantizer& pq,
                                   std::span<const std::uint64_t> rows,
                                   const io::InputFile::Mapping& codes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(codes.bytes.data());
  std::size_t at = 0;
  std::vector<CodeStore> stores;
  for (const std::uint64_t count : rows) {
    const bool plausible =
        count <= codes.bytes.size();  // a row has at least half a byte, padded to a whole block
    const std::size_t size = plausible ? CodeStore::block_bytes(pq.blocks(), pq.bits(), count) : 0;
    if (!plausible || size > codes.bytes.size() - at) {
      fail("shape",
           "index.codes is shorter than its lists",
           fmt::format("{} bytes", codes.bytes.size()),
           fmt::format("a list of {} rows", count));
    }
    stores.emplace_back(pq.blocks(), pq.bits(), count, std::span(bytes + at, size), codes.keep);
    at += size;
  }
  if (at != codes.bytes.size())
    fail("shape",
         "index.codes is longer than its lists",
         fmt::format("{} bytes", codes.bytes.size()),
         fmt::format("{}", at));
  return stores;
}

Bitmap read_removed(const io::SafetensorsReader& tensors, std::size_t size) {
  Bitmap removed(size);
  for (const std::uint32_t row : tensors.read_as<std::uint32_t>("removed")) {
    if (row >= size)
      fail("shape",
           "a removed row is not in the index",
           fmt::format("{}", row),
           fmt::format("below {}", size));
    removed.set(row);
  }
  return removed;
}

}  // namespace

void add_index_members(io::BundleWriter& bundle,
                       const CodeIndex& index,
                       const Int8Rows* second,
                       const CodeCounts* training) {
  const std::size_t d = index.dimension();
  std::vector<std::uint64_t> rows;
  std::vector<std::uint32_t> numbers;
  const std::vector<std::uint32_t> removed = removed_rows(index);
  for (const CodeStore& store : index.parts().stores) rows.push_back(store.rows());
  for (const auto& list : index.parts().numbers) numbers.insert(numbers.end(), list.begin(), list.end());
  Tensors tensors{view("list_rows", DType::kU64, {rows.size()}, rows),
                  view("removed", DType::kU32, {removed.size()}, removed)};
  Metadata metadata{{"rows", std::to_string(index.size())}};
  put_quantizer(index.quantizer(), tensors, metadata);
  put_training(training, tensors, metadata);
  if (index.has_lists()) {
    tensors.push_back(view("coarse", DType::kF32, {index.lists(), d}, index.parts().coarse));
    tensors.push_back(view("numbers", DType::kU32, {numbers.size()}, numbers));
  }
  if (index.parts().coarse_graph) put_graph("coarse", *index.parts().coarse_graph, tensors, metadata);
  if (second != nullptr) {
    tensors.push_back(view("int8", DType::kI8, {second->rows(), d}, second->values()));
    tensors.push_back(view("int8_scales", DType::kF32, {second->rows()}, second->scales()));
  }
  bundle.add(kTensors, [&](WritableFile& file) { io::write_safetensors(file, tensors, metadata); });
  bundle.add(kCodes, [&](WritableFile& file) {
    for (const CodeStore& store : index.parts().stores) file.write(std::as_bytes(store.blocks()));
  });
}

void add_index_members(io::BundleWriter& bundle, const GraphIndex& index, const CodeCounts* training) {
  const std::vector<std::uint32_t> removed = removed_rows(index);
  Tensors tensors{view("removed", DType::kU32, {removed.size()}, removed)};
  Metadata metadata{{"rows", std::to_string(index.size())}};
  put_quantizer(index.quantizer(), tensors, metadata);
  put_training(training, tensors, metadata);
  put_graph("graph", index.graph(), tensors, metadata);
  bundle.add(kTensors, [&](WritableFile& file) { io::write_safetensors(file, tensors, metadata); });
  bundle.add(kCodes, [&](WritableFile& file) { file.write(std::as_bytes(index.codes())); });
}

void add_index_members(io::BundleWriter& bundle, const CodedIndex& index, const CodeCounts* training) {
  if (const auto* graph = dynamic_cast<const GraphIndex*>(&index))
    add_index_members(bundle, *graph, training);
  else
    add_index_members(bundle, dynamic_cast<const CodeIndex&>(index), nullptr, training);
}

std::unique_ptr<CodedIndex> open_coded_index(const io::BundleReader& bundle) {
  if (holds_graph_index(bundle)) return std::make_unique<GraphIndex>(open_graph_members(bundle));
  return std::make_unique<CodeIndex>(std::move(open_index_members(bundle).index));
}

bool holds_graph_index(const io::BundleReader& bundle) {
  return bundle.open_tensors(kTensors).contains("graph_levels");
}

std::optional<CodeCounts> read_training_counts(const io::BundleReader& bundle) {
  const io::SafetensorsReader tensors = bundle.open_tensors(kTensors);
  if (!tensors.contains("training_codes")) return std::nullopt;
  const auto metadata = tensors.metadata();
  const auto number = [&](const char* name) {
    const auto entry = metadata.find(name);
    const auto value = entry == metadata.end() ? std::nullopt : parse_double(entry->second);
    if (!value || !(*value >= 0))
      fail("field",
           fmt::format("the index lacks its field {}", name),
           "nothing like it",
           "a number from 0 on");
    return *value;
  };
  return CodeCounts{.counts = tensors.read_as<std::uint64_t>("training_codes"),
                    .rows = field(metadata, "training_rows", std::uint64_t{1} << 53),
                    .squared_error = number("training_error"),
                    .squared_length = number("training_length")};
}

GraphIndex open_graph_members(const io::BundleReader& bundle) {
  return parse_graph_index(bundle.open_tensors(kTensors), bundle.open_member(kCodes).map());
}

GraphIndex parse_graph_index(const io::SafetensorsReader& tensors, const io::InputFile::Mapping& codes) {
  check_kind(tensors, true);
  const auto metadata = tensors.metadata();
  ProductQuantizer pq = read_quantizer(tensors, metadata);
  GraphIndex::Parts parts{
      .codes = {reinterpret_cast<const std::uint8_t*>(codes.bytes.data()), codes.bytes.size()},
      .keep = codes.keep,
      .graph = read_graph("graph", tensors, metadata)};
  const std::uint64_t rows = field(metadata, "rows", 0xFFFFFFFEu);
  if (rows != parts.graph.size())
    fail("shape",
         "the graph has another number of nodes than the index of rows",
         fmt::format("{} nodes", parts.graph.size()),
         fmt::format("{}", rows));
  parts.removed = read_removed(tensors, rows);
  return GraphIndex(std::move(pq), std::move(parts));
}

IndexMembers open_index_members(const io::BundleReader& bundle) {
  return parse_index(bundle.open_tensors(kTensors), bundle.open_member(kCodes).map());
}

IndexMembers parse_index(const io::SafetensorsReader& tensors, const io::InputFile::Mapping& codes) {
  check_kind(tensors, false);
  const auto metadata = tensors.metadata();
  ProductQuantizer pq = read_quantizer(tensors, metadata);
  CodeIndex::Parts parts{.coarse = optional_floats(tensors, "coarse"),
                         .size = field(metadata, "rows", 0xFFFFFFFEu)};
  const auto rows = tensors.read_as<std::uint64_t>("list_rows");
  parts.stores = read_stores(pq, rows, codes);
  if (std::accumulate(rows.begin(), rows.end(), std::uint64_t{0}) < parts.size) {
    fail("shape",
         "the lists have fewer rows than the index",
         fmt::format("{} lists", rows.size()),
         fmt::format("{} rows", parts.size));
  }
  if (tensors.contains("numbers")) {
    const auto numbers = tensors.read_as<std::uint32_t>("numbers");
    std::size_t at = 0;
    for (const std::uint64_t count : rows) {
      if (count > numbers.size() - at)
        fail("shape", "rows of the lists lack numbers", fmt::format("{}", numbers.size()), "one a row");
      const auto from = numbers.begin() + static_cast<std::ptrdiff_t>(at);
      parts.numbers.emplace_back(from, from + static_cast<std::ptrdiff_t>(count));
      at += count;
    }
  }
  parts.removed = read_removed(tensors, parts.size);
  if (tensors.contains("coarse_levels")) parts.coarse_graph = read_graph("coarse", tensors, metadata);
  IndexMembers result{CodeIndex(std::move(pq), std::move(parts)), std::nullopt};
  if (tensors.contains("int8")) {
    auto values = tensors.read_as<std::int8_t>("int8");
    auto scales = tensors.read_as<float>("int8_scales");
    const auto wanted = checked::mul(result.index.size(), result.index.dimension());
    if (scales.size() != result.index.size() || !wanted || values.size() != *wanted) {
      fail("shape",
           "the second stage has other rows than the index",
           fmt::format("{}", scales.size()),
           fmt::format("{}", result.index.size()));
    }
    result.second = Int8Rows(result.index.dimension(), std::move(values), std::move(scales));
  }
  return result;
}

}  // namespace tenfold::search
