// SPDX-License-Identifier: Apache-2.0
// Writer of Faiss' index files: one function a part of the format, in the order of the reader.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/search/faiss_blocks.h"
#include "tenfold/search/faiss_file.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr std::int32_t kInnerProduct = 0, kEuclidean = 1;

class Output {
 public:
  explicit Output(WritableFile& file) : file_(file) {}

  template <typename T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    raw(&value, sizeof value);
  }
  void tag(std::string_view four) { raw(four.data(), 4); }
  template <typename T>
  void values(std::span<const T> values) {
    number<std::uint64_t>(values.size());
    raw(values.data(), values.size_bytes());
  }
  void raw(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    buffer_.insert(buffer_.end(), from, from + size);
    if (buffer_.size() >= kBuffer) flush();
  }
  void flush() {
    file_.write(buffer_);
    buffer_.clear();
  }

 private:
  WritableFile& file_;
  std::vector<std::byte> buffer_;
};

void write_header(Output& out, std::size_t dimension, std::size_t rows, std::int32_t metric) {
  out.number(static_cast<std::int32_t>(dimension));
  out.number(static_cast<std::int64_t>(rows));
  for (int i = 0; i < 2; ++i) out.number(std::int64_t{1} << 20);
  out.number(std::uint8_t{1});
  out.number(metric);
}

void write_pq(Output& out, const ProductQuantizer& pq) {
  out.number<std::uint64_t>(pq.dimension());
  out.number<std::uint64_t>(pq.blocks());
  out.number<std::uint64_t>(pq.bits());
  out.values<float>(pq.parts().centroids);
}

void write_flat(Output& out, const FlatIndex& flat) {
  const bool inner = flat.metric() == Metric::kInnerProduct;
  out.tag(inner ? "IxFI" : "IxF2");
  write_header(out, flat.dimension(), flat.size(), inner ? kInnerProduct : kEuclidean);
  out.number<std::uint64_t>(flat.size() * flat.dimension());
  for (std::size_t row = 0; row < flat.size(); ++row) {
    const std::vector<float> values = flat.row(row);
    out.raw(values.data(), values.size() * sizeof(float));
  }
}

std::vector<std::uint8_t> packed_row(const CodeIndex& index, const CodeStore& store, std::size_t row) {
  const ProductQuantizer& pq = index.quantizer();
  std::vector<std::uint8_t> bytes(pq.blocks()), packed(pq.code_bytes());
  store.get(row, bytes);
  pq.pack(bytes, packed);
  return packed;
}

// Rows of a store in Faiss' blocks of 32.
std::vector<std::uint8_t> blocks_of(const CodeStore& store,
                                    std::span<const std::size_t> rows,
                                    const FaissBlocks& blocks) {
  std::vector<std::uint8_t> result((rows.size() + blocks.rows - 1) / blocks.rows * blocks.block_bytes(), 0);
  std::vector<std::uint8_t> codes(store.codes());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    store.get(rows[i], codes);
    for (std::size_t m = 0; m < codes.size(); ++m) {
      result[blocks.byte_of(i, m)] |= static_cast<std::uint8_t>(codes[m] << FaissBlocks::shift(i));
    }
  }
  return result;
}

FaissBlocks blocks_for(const ProductQuantizer& pq) {
  return {32, (pq.blocks() + 1) / 2 * 2};
}

void write_codes(Output& out, const CodeIndex& index) {
  const ProductQuantizer& pq = index.quantizer();
  const CodeStore& store = index.parts().stores[0];
  const bool fast = pq.bits() == 4;
  out.tag(fast ? "IPfs" : "IxPq");
  write_header(out, pq.dimension(), index.size(), kInnerProduct);
  write_pq(out, pq);
  if (!fast) {
    out.values<std::uint8_t>(index.codes());
    out.number(std::int32_t{0});  // search by plain look-ups
    out.number(std::uint8_t{0});
    out.number(static_cast<std::int32_t>(pq.blocks() * pq.bits() + 1));
    return;
  }
  const FaissBlocks blocks = blocks_for(pq);
  out.number(std::int32_t{0});
  out.number(static_cast<std::int32_t>(blocks.rows));
  out.number(std::int32_t{0});
  out.number<std::uint64_t>((index.size() + blocks.rows - 1) / blocks.rows * blocks.rows);
  out.number<std::uint64_t>(blocks.codes);
  std::vector<std::size_t> rows(index.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  out.values<std::uint8_t>(blocks_of(store, rows, blocks));
}

// Places of a list whose rows are still there.
std::vector<std::size_t> live_places(const CodeIndex& index, std::size_t list) {
  std::vector<std::size_t> places;
  const auto& numbers = index.parts().numbers[list];
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != kNoRow && !index.removed().test(numbers[i])) places.push_back(i);
  }
  return places;
}

void write_row_lists(Output& out, const CodeIndex& index) {
  std::vector<std::uint64_t> sizes;
  for (std::size_t list = 0; list < index.lists(); ++list) sizes.push_back(live_places(index, list).size());
  out.number<std::uint64_t>(index.quantizer().code_bytes());
  out.tag("full");
  out.values<std::uint64_t>(sizes);
  for (std::size_t list = 0; list < index.lists(); ++list) {
    const auto places = live_places(index, list);
    for (const std::size_t place : places) {
      const auto code = packed_row(index, index.parts().stores[list], place);
      out.raw(code.data(), code.size());
    }
    for (const std::size_t place : places) out.number(std::int64_t{index.parts().numbers[list][place]});
  }
}

void write_block_lists(Output& out, const CodeIndex& index) {
  const FaissBlocks blocks = blocks_for(index.quantizer());
  out.number<std::uint64_t>(index.quantizer().code_bytes());
  out.number<std::uint64_t>(blocks.rows);
  out.number<std::uint64_t>(blocks.block_bytes());
  for (std::size_t list = 0; list < index.lists(); ++list) {
    const auto places = live_places(index, list);
    std::vector<std::int64_t> ids;
    for (const std::size_t place : places) ids.push_back(index.parts().numbers[list][place]);
    out.values<std::int64_t>(ids);
    out.values<std::uint8_t>(blocks_of(index.parts().stores[list], places, blocks));
  }
}

void write_lists(Output& out, const CodeIndex& index, std::size_t probes) {
  const ProductQuantizer& pq = index.quantizer();
  const bool fast = pq.bits() == 4;
  out.tag(fast ? "IwPf" : "IwPQ");
  write_header(out, pq.dimension(), index.live(), kInnerProduct);
  out.number<std::uint64_t>(index.lists());
  out.number<std::uint64_t>(probes == 0 ? index.default_probes() : probes);
  FlatIndex coarse(pq.dimension());
  coarse.add(as_vectors(index.parts().coarse, pq.dimension()));
  write_flat(out, coarse);
  out.number(std::uint8_t{0});  // no direct map
  out.number(std::uint64_t{0});
  out.number(std::uint8_t{0});  // codes of the vectors, not of residuals
  out.number<std::uint64_t>(pq.code_bytes());
  if (fast) {
    out.number(static_cast<std::int32_t>(blocks_for(pq).rows));
    out.number<std::uint64_t>(blocks_for(pq).codes);
    out.number(std::int32_t{0});
    out.number(std::uint64_t{0});
  }
  write_pq(out, pq);
  out.tag(fast ? "ilbl" : "ilar");
  out.number<std::uint64_t>(index.lists());
  fast ? write_block_lists(out, index) : write_row_lists(out, index);
}

void write_index(Output& out, const CodeIndex& index, std::size_t probes) {
  const ProductQuantizer& pq = index.quantizer();
  const std::size_t rows = index.has_lists() ? index.live() : index.size();
  if (pq.has_rotation()) {
    out.tag("IxPT");
    write_header(out, pq.dimension(), rows, kInnerProduct);
    out.number(std::int32_t{1});
    out.tag("LTra");
    out.number(std::uint8_t{0});
    out.values<float>(pq.parts().rotation);
    out.number(std::uint64_t{0});
    out.number(static_cast<std::int32_t>(pq.dimension()));
    out.number(static_cast<std::int32_t>(pq.dimension()));
    out.number(std::uint8_t{1});
  }
  index.has_lists() ? write_lists(out, index, probes) : write_codes(out, index);
}

}  // namespace

void write_faiss(FileSystem& files,
                 const Path& path,
                 const CodeIndex& index,
                 const FaissWriteOptions& options) {
  const bool refine = options.refine != nullptr;
  if (index.live() != index.size() && (refine || !index.has_lists())) {
    throw Error(ErrorClass::kData,
                "faiss.removed_rows",
                {.what = "this kind of Faiss index cannot leave out rows that were removed",
                 .seen = fmt::format("{} removed rows", index.size() - index.live()),
                 .wanted = "none",
                 .remedy = "build the index again from the rows that are left"});
  }
  if (refine &&
      (options.refine->size() != index.size() || options.refine->dimension() != index.dimension())) {
    throw Error(
        ErrorClass::kData,
        "faiss.refine_rows",
        {.what = "the vectors of the second stage are not those of the index",
         .seen = fmt::format("{} rows of dimension {}", options.refine->size(), options.refine->dimension()),
         .wanted = fmt::format("{} rows of dimension {}", index.size(), index.dimension())});
  }
  write_file_atomically(files, path, [&](WritableFile& file) {
    Output out(file);
    if (refine) {
      out.tag("IxRF");
      write_header(out, index.dimension(), index.size(), kInnerProduct);
    }
    write_index(out, index, options.probes);
    if (refine) {
      write_flat(out, *options.refine);
      out.number(options.refine_factor);
    }
    out.flush();
  });
}

}  // namespace tenfold::search
