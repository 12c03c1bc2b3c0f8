// SPDX-License-Identifier: Apache-2.0
// Reader of Faiss' index files: a cursor that cannot leave the bytes, and one function a part of the format.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/search/faiss_blocks.h"
#include "tenfold/search/faiss_file.h"

namespace tenfold::search {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::int32_t kInnerProduct = 0, kEuclidean = 1;
constexpr std::size_t kMaxDimension = 1 << 20;
constexpr int kMaxDepth = 4;  // IxRF, IxPT and the index itself, with one to spare

class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::string_view place) : bytes_(bytes), place_(place) {}

  [[noreturn]] void fail(std::string_view code, ErrorText text) const {
    text.what = fmt::format("{}: {}", place_, text.what);
    if (text.remedy.empty()) text.remedy = "write the index again with Faiss 1.7 or tenfold";
    throw Error(ErrorClass::kFile, fmt::format("faiss.{}", code), std::move(text));
  }

  std::size_t left() const { return bytes_.size(); }

  std::span<const std::byte> take(std::size_t count, std::string_view what) {
    if (count > bytes_.size()) {
      fail("truncated",
           {.what = fmt::format("the file ends inside {}", what),
            .seen = fmt::format("{} bytes left", bytes_.size()),
            .wanted = fmt::format("{} bytes", count)});
    }
    const auto piece = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return piece;
  }

  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  bool flag(std::string_view what) {
    const auto value = number<std::uint8_t>(what);
    require(value <= 1, "header", what, value, "0 or 1");
    return value == 1;
  }

  // Elements of one vector of the file: their bytes.
  std::span<const std::byte> array(std::size_t element, std::string_view what) {
    const auto count = number<std::uint64_t>(what);
    const auto size = checked::mul<std::uint64_t>(count, element);
    if (!size || *size > bytes_.size()) {
      fail("truncated",
           {.what = fmt::format("{} would be longer than the file", what),
            .seen = fmt::format("{} elements of {} bytes", count, element),
            .wanted = fmt::format("at most {} bytes", bytes_.size())});
    }
    return take(static_cast<std::size_t>(*size), what);
  }

  template <typename T>
  std::vector<T> values(std::string_view what) {
    const auto bytes = array(sizeof(T), what);
    std::vector<T> result(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }

  std::string tag(std::string_view what) {
    const auto bytes = take(4, what);
    return {reinterpret_cast<const char*>(bytes.data()), 4};
  }

  template <typename Seen>
  void require(bool condition,
               std::string_view code,
               std::string_view what,
               const Seen& seen,
               std::string_view wanted) const {
    if (condition) return;
    fail(code,
         {.what = fmt::format("{} is not as it should be", what),
          .seen = fmt::format("{}", seen),
          .wanted = std::string(wanted)});
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view place_;
};

struct Header {
  std::size_t dimension = 0, rows = 0;
  std::int32_t metric = 0;
};

Header read_header(Cursor& in) {
  const auto dimension = in.number<std::int32_t>("the dimension");
  in.require(dimension > 0 && static_cast<std::size_t>(dimension) <= kMaxDimension,
             "header",
             "the dimension",
             dimension,
             "1 to 1048576");
  const auto rows = in.number<std::int64_t>("the number of rows");
  in.require(rows >= 0 && rows < 0xFFFFFFFF, "header", "the number of rows", rows, "0 to 4294967294");
  in.take(16, "the header");  // two numbers that mean nothing any more
  in.flag("the mark of a trained index");
  const auto metric = in.number<std::int32_t>("the metric");
  in.require(metric == kInnerProduct || metric == kEuclidean,
             "unsupported",
             "the metric",
             metric,
             "0 (inner product) or 1 (Euclidean)");
  return {static_cast<std::size_t>(dimension), static_cast<std::size_t>(rows), metric};
}

struct PqFields {
  std::size_t dimension = 0, blocks = 0, bits = 0;
  std::vector<float> centroids;
};

PqFields read_pq(Cursor& in, const Header& header) {
  PqFields pq;
  const auto dimension = in.number<std::uint64_t>("the quantiser's dimension");
  in.require(dimension == header.dimension,
             "shape",
             "the quantiser's dimension",
             dimension,
             fmt::format("{}", header.dimension));
  const auto blocks = in.number<std::uint64_t>("the number of blocks");
  in.require(blocks > 0 && blocks <= dimension && dimension % blocks == 0 && blocks <= kernels::kMaxAdcCodes,
             "shape",
             "the number of blocks",
             blocks,
             fmt::format("1 to 257, a divisor of {}", dimension));
  const auto bits = in.number<std::uint64_t>("bits of a code");
  in.require(bits == 4 || bits == 8, "unsupported", "bits of a code", bits, "4 or 8");
  pq = {dimension, blocks, bits, in.values<float>("the codewords")};
  in.require(pq.centroids.size() == dimension << bits,
             "shape",
             "the number of codewords' coordinates",
             pq.centroids.size(),
             fmt::format("{}", dimension << bits));
  return pq;
}

ProductQuantizer make_quantizer(PqFields pq, const std::vector<float>& rotation) {
  return ProductQuantizer({pq.dimension, pq.blocks, pq.bits, std::move(pq.centroids), rotation});
}

std::size_t code_bytes(const PqFields& pq) {
  return (pq.blocks * pq.bits + 7) / 8;
}

// Codes as Faiss packs them row by row.
void append_packed(CodeStore& store, const PqFields& pq, std::span<const std::byte> codes) {
  const auto* from = reinterpret_cast<const std::uint8_t*>(codes.data());
  const std::size_t size = code_bytes(pq), rows = codes.size() / size;
  std::vector<std::uint8_t> bytes(rows * pq.blocks);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t m = 0; m < pq.blocks; ++m) {
      bytes[i * pq.blocks + m] =
          pq.bits == 8 ? from[i * size + m] : (from[i * size + m / 2] >> (m % 2 * 4)) & 15;
    }
  }
  store.append(bytes);
}

void append_blocks(CodeStore& store,
                   const FaissBlocks& blocks,
                   std::size_t rows,
                   std::span<const std::byte> codes) {
  std::vector<std::uint8_t> bytes(rows * store.codes());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t m = 0; m < store.codes(); ++m) {
      const auto byte = std::to_integer<unsigned>(codes[blocks.byte_of(i, m)]);
      bytes[i * store.codes() + m] = (byte >> FaissBlocks::shift(i)) & 15;
    }
  }
  store.append(bytes);
}

FlatIndex read_flat(Cursor& in, const Header& header) {
  const std::vector<float> values = in.values<float>("the vectors");
  const auto wanted = checked::mul(header.rows, header.dimension);
  in.require(wanted && values.size() == *wanted,
             "shape",
             "the number of coordinates",
             values.size(),
             "rows x dimension");
  FlatIndex flat(header.dimension,
                 header.metric == kInnerProduct ? Metric::kInnerProduct : Metric::kEuclidean);
  flat.add({values.data(), header.rows, header.dimension});
  return flat;
}

bool is_flat(std::string_view tag) {
  return tag == "IxFI" || tag == "IxF2" || tag == "IxFl";
}

void check_metric(Cursor& in, const Header& header) {
  in.require(header.metric == kInnerProduct,
             "unsupported",
             "the metric of codes",
             "Euclidean distance",
             "inner product");
}

CodeIndex read_codes(Cursor& in, std::string_view tag, const std::vector<float>& rotation) {
  const Header header = read_header(in);
  check_metric(in, header);
  PqFields pq = read_pq(in, header);
  CodeIndex::Parts parts{.size = header.rows, .removed = Bitmap(header.rows)};
  CodeStore store(pq.blocks, pq.bits);
  if (tag == "IxPq") {
    const auto codes = in.array(1, "the codes");
    const auto wanted = checked::mul(header.rows, code_bytes(pq));
    in.require(wanted && codes.size() == *wanted,
               "shape",
               "the length of the codes",
               codes.size(),
               "rows x bytes of a code");
    append_packed(store, pq, codes);
    in.take(4 + 1 + 4, "the settings of a search");
  } else {
    in.require(pq.bits == 4, "shape", "bits of a code for fast scan", pq.bits, "4");
    in.number<std::int32_t>("the implementation");
    const auto block_rows = in.number<std::int32_t>("rows of a block");
    in.require(
        block_rows > 0 && block_rows % 32 == 0, "shape", "rows of a block", block_rows, "a multiple of 32");
    in.number<std::int32_t>("queries of a block");
    const auto padded_rows = in.number<std::uint64_t>("the padded number of rows");
    const auto padded_codes = in.number<std::uint64_t>("the padded number of codes");
    in.require(padded_codes == (pq.blocks + 1) / 2 * 2,
               "shape",
               "the padded number of codes",
               padded_codes,
               "the next even number");
    const FaissBlocks blocks{static_cast<std::size_t>(block_rows), padded_codes};
    const std::size_t rounded = (header.rows + blocks.rows - 1) / blocks.rows * blocks.rows;
    in.require(padded_rows == rounded,
               "shape",
               "the padded number of rows",
               padded_rows,
               fmt::format("{}", rounded));
    const auto codes = in.array(1, "the codes");
    in.require(codes.size() == rounded / blocks.rows * blocks.block_bytes(),
               "shape",
               "the length of the codes",
               codes.size(),
               "whole blocks");
    append_blocks(store, blocks, header.rows, codes);
  }
  parts.stores.push_back(std::move(store));
  return CodeIndex(make_quantizer(std::move(pq), rotation), std::move(parts));
}

std::vector<std::uint32_t> row_numbers(Cursor& in, std::span<const std::byte> ids, std::size_t rows) {
  std::vector<std::uint32_t> numbers(ids.size() / 8);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::int64_t id = 0;
    std::memcpy(&id, ids.data() + 8 * i, 8);
    in.require(id >= 0 && static_cast<std::uint64_t>(id) < rows,
               "unsupported",
               "an id in a list",
               id,
               fmt::format("the number of a row, below {}", rows));
    numbers[i] = static_cast<std::uint32_t>(id);
  }
  return numbers;
}

// Sizes of the lists of "ilar": all of them, or pairs of list and size.
std::vector<std::uint64_t> read_list_sizes(Cursor& in, std::size_t lists) {
  const std::string form = in.tag("the form of the list sizes");
  in.require(form == "full" || form == "sprs",
             "kind",
             "the form of the list sizes",
             printable(form),
             "full or sprs");
  const auto values = in.values<std::uint64_t>("the list sizes");
  if (form == "full") {
    in.require(
        values.size() == lists, "shape", "the number of list sizes", values.size(), fmt::format("{}", lists));
    return values;
  }
  in.require(values.size() % 2 == 0, "shape", "the number of list sizes", values.size(), "pairs");
  std::vector<std::uint64_t> sizes(lists, 0);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    in.require(values[i] < lists, "shape", "the number of a list", values[i], fmt::format("below {}", lists));
    sizes[values[i]] = values[i + 1];
  }
  return sizes;
}

void read_row_lists(Cursor& in, const PqFields& pq, CodeIndex::Parts& parts) {
  const auto size = in.number<std::uint64_t>("bytes of a code");
  in.require(size == code_bytes(pq), "shape", "bytes of a code", size, fmt::format("{}", code_bytes(pq)));
  const std::vector<std::uint64_t> sizes = read_list_sizes(in, parts.numbers.size());
  for (std::size_t list = 0; list < sizes.size(); ++list) {
    CodeStore store(pq.blocks, pq.bits);
    in.require(sizes[list] <= in.left() / (size + 8),
               "truncated",
               "the size of a list",
               sizes[list],
               "no more than the file holds");
    const auto count = static_cast<std::size_t>(sizes[list]);
    append_packed(store, pq, in.take(count * size, "the codes of a list"));
    parts.numbers[list] = row_numbers(in, in.take(count * 8, "the ids of a list"), parts.size);
    parts.stores.push_back(std::move(store));
  }
}

void read_block_lists(Cursor& in, const PqFields& pq, const FaissBlocks& blocks, CodeIndex::Parts& parts) {
  in.number<std::uint64_t>("bytes of a code");
  const auto block_rows = in.number<std::uint64_t>("rows of a block");
  in.require(
      block_rows == blocks.rows, "shape", "rows of a block", block_rows, fmt::format("{}", blocks.rows));
  const auto block_bytes = in.number<std::uint64_t>("bytes of a block");
  in.require(block_bytes == blocks.block_bytes(),
             "shape",
             "bytes of a block",
             block_bytes,
             fmt::format("{}", blocks.block_bytes()));
  for (auto& numbers : parts.numbers) {
    numbers = row_numbers(in, in.array(8, "the ids of a list"), parts.size);
    const auto codes = in.array(1, "the codes of a list");
    const std::size_t wanted = (numbers.size() + blocks.rows - 1) / blocks.rows * blocks.block_bytes();
    in.require(codes.size() == wanted,
               "shape",
               "the length of a list's codes",
               codes.size(),
               fmt::format("{}", wanted));
    CodeStore store(pq.blocks, pq.bits);
    append_blocks(store, blocks, numbers.size(), codes);
    parts.stores.push_back(std::move(store));
  }
}

void skip_direct_map(Cursor& in) {
  const auto type = in.number<std::uint8_t>("the direct map");
  in.require(type <= 2, "header", "the direct map", type, "0, 1 or 2");
  in.array(8, "the direct map");
  if (type == 2) in.array(16, "the direct map");
}

FlatIndex read_coarse(Cursor& in, std::uint64_t lists, std::size_t dimension) {
  const std::string tag = in.tag("the coarse quantiser");
  in.require(is_flat(tag), "kind", "the coarse quantiser", printable(tag), "a flat index");
  const Header header = read_header(in);
  FlatIndex coarse = read_flat(in, header);
  in.require(coarse.size() == lists && coarse.dimension() == dimension,
             "shape",
             "the coarse quantiser",
             coarse.size(),
             fmt::format("{} vectors of dimension {}", lists, dimension));
  return coarse;
}

CodeIndex read_lists(Cursor& in,
                     std::string_view tag,
                     const std::vector<float>& rotation,
                     std::size_t& probes) {
  const Header header = read_header(in);
  check_metric(in, header);
  const auto lists = in.number<std::uint64_t>("the number of lists");
  in.require(lists > 0 && lists <= in.left(),
             "shape",
             "the number of lists",
             lists,
             "1 or more, and no more than the file holds");
  probes = in.number<std::uint64_t>("the number of lists to look into");
  const FlatIndex coarse = read_coarse(in, lists, header.dimension);
  skip_direct_map(in);
  in.require(!in.flag("residual codes"),
             "unsupported",
             "the coding",
             "residual",
             "codes of the vectors themselves (by_residual = false)");
  const auto size = in.number<std::uint64_t>("bytes of a code");
  const bool fast = tag == "IwPf";
  FaissBlocks blocks{32, 0};
  if (fast) {
    const auto block_rows = in.number<std::int32_t>("rows of a block");
    in.require(
        block_rows > 0 && block_rows % 32 == 0, "shape", "rows of a block", block_rows, "a multiple of 32");
    blocks = {static_cast<std::size_t>(block_rows), in.number<std::uint64_t>("the padded number of codes")};
    in.take(4 + 8, "the settings of a search");
  }
  PqFields pq = read_pq(in, header);
  in.require(size == code_bytes(pq), "shape", "bytes of a code", size, fmt::format("{}", code_bytes(pq)));
  in.require(!fast || (pq.bits == 4 && blocks.codes == (pq.blocks + 1) / 2 * 2),
             "shape",
             "the padded number of codes",
             blocks.codes,
             "the next even number, of 4 bits");
  const std::string lists_tag = in.tag("the inverted lists");
  in.require(lists_tag == (fast ? "ilbl" : "ilar"),
             "kind",
             "the inverted lists",
             printable(lists_tag),
             fast ? "ilbl" : "ilar");
  const auto list_count = in.number<std::uint64_t>("the number of lists");
  in.require(
      list_count == lists, "shape", "the number of inverted lists", list_count, fmt::format("{}", lists));

  CodeIndex::Parts parts{.size = header.rows, .removed = Bitmap(header.rows)};
  parts.numbers.resize(static_cast<std::size_t>(lists));
  fast ? read_block_lists(in, pq, blocks, parts) : read_row_lists(in, pq, parts);
  for (std::uint32_t list = 0; list < lists; ++list) {
    const std::vector<float> centre = coarse.row(list);
    parts.coarse.insert(parts.coarse.end(), centre.begin(), centre.end());
  }
  return CodeIndex(make_quantizer(std::move(pq), rotation), std::move(parts));
}

std::vector<float> read_rotation(Cursor& in, std::size_t dimension) {
  const std::string tag = in.tag("the transform");
  in.require(tag == "LTra" || tag == "rrot", "kind", "the transform", printable(tag), "LTra or rrot");
  in.flag("the mark of an offset");
  std::vector<float> matrix = in.values<float>("the matrix");
  const std::vector<float> offset = in.values<float>("the offset");
  in.require(std::all_of(offset.begin(), offset.end(), [](float x) { return x == 0; }),
             "unsupported",
             "the transform",
             "an offset",
             "a matrix alone");
  const auto from = in.number<std::int32_t>("the transform's input"),
             to = in.number<std::int32_t>("the transform's output");
  in.flag("the mark of a trained transform");
  const auto wanted = static_cast<std::int64_t>(dimension);
  in.require(from == wanted && to == wanted,
             "unsupported",
             "the transform",
             fmt::format("{} to {}", from, to),
             fmt::format("{} to {}", dimension, dimension));
  in.require(matrix.size() == dimension * dimension,
             "shape",
             "the matrix",
             matrix.size(),
             fmt::format("{} entries", dimension * dimension));
  return matrix;
}

void read_any(Cursor& in, FaissIndex& index, std::vector<float> rotation, int depth) {
  const std::string tag = in.tag("the kind of the index");
  index.kind += (index.kind.empty() ? "" : " ") + printable(tag);
  in.require(
      depth < kMaxDepth, "kind", "the nesting of indexes", index.kind, "a rotation and a second stage");
  if (tag == "IxRF") {
    in.require(depth == 0, "kind", "the place of a second stage", index.kind, "the outermost one");
    const Header header = read_header(in);
    read_any(in, index, {}, depth + 1);
    const std::string refine = in.tag("the second stage");
    in.require(index.codes.has_value() && is_flat(refine),
               "kind",
               "the stages",
               index.kind + " " + printable(refine),
               "codes, then a flat index");
    const Header flat_header = read_header(in);
    index.flat = read_flat(in, flat_header);
    in.require(index.flat->size() == header.rows && index.codes->size() == header.rows &&
                   index.flat->dimension() == index.codes->dimension(),
               "shape",
               "the second stage",
               index.flat->size(),
               fmt::format("{} rows of the same dimension", header.rows));
    index.refine_factor = in.number<float>("the number of candidates");
    in.require(std::isfinite(index.refine_factor) && index.refine_factor > 0,
               "header",
               "the number of candidates",
               index.refine_factor,
               "a number above 0");
  } else if (tag == "IxPT") {
    in.require(rotation.empty(), "unsupported", "the number of transforms", "more than one", "one");
    const Header header = read_header(in);
    const auto count = in.number<std::int32_t>("the number of transforms");
    in.require(count == 1, "unsupported", "the number of transforms", count, "1");
    rotation = read_rotation(in, header.dimension);
    read_any(in, index, std::move(rotation), depth + 1);
    in.require(index.codes.has_value() && index.codes->size() == header.rows,
               "shape",
               "the index behind the transform",
               index.kind,
               "codes of the same rows");
  } else if (is_flat(tag) && rotation.empty() && depth == 0) {
    const Header header = read_header(in);
    index.flat = read_flat(in, header);
  } else if (tag == "IxPq" || tag == "IPfs") {
    index.codes = read_codes(in, tag, rotation);
  } else if (tag == "IwPQ" || tag == "IwPf") {
    index.codes = read_lists(in, tag, rotation, index.probes);
  } else {
    in.fail("kind",
            {.what = "this kind of index is not read",
             .seen = index.kind,
             .wanted = "IxFI IxF2 IxPT IxPq IPfs IwPQ IwPf IxRF"});
  }
}

}  // namespace

FaissIndex parse_faiss(std::span<const std::byte> bytes, std::string_view place) {
  Cursor in(bytes, place);
  FaissIndex index;
  try {
    read_any(in, index, {}, 0);
  } catch (const Error& error) {
    // The library's own checks of numbers and lists do not know the file.
    if (error.code().starts_with("faiss.")) throw;
    if (error.code().starts_with("index."))
      in.fail("shape", {.what = error.text().what, .seen = error.text().seen, .wanted = error.text().wanted});
    throw with_place(error, place);
  }
  if (in.left() > 0) {
    in.fail("trailing",
            {.what = "there are bytes behind the index",
             .seen = fmt::format("{} bytes", in.left()),
             .wanted = "the end of the file"});
  }
  return index;
}

FaissIndex read_faiss(const Path& path, std::uint64_t limit) {
  return parse_faiss(read_binary_file(path, limit), path.string());
}

}  // namespace tenfold::search
