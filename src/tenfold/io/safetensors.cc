// SPDX-License-Identifier: Apache-2.0
// Reader: header into records, tensors by position. Writer: canonical order, data passed through.
#include "tenfold/io/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/safetensors_header.h"

namespace tenfold::io {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor bytes are handed over as they are");

constexpr std::uint64_t kPrefix = 8;  // bytes of the header length

std::uint64_t little_endian(std::span<const std::byte, kPrefix> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  return value;
}

[[noreturn]] void refuse(const InputFile& file, std::string_view code, ErrorText text) {
  text.what = fmt::format("{}: {}", printable(file.label(), 400), text.what);
  if (text.remedy.empty()) {
    text.remedy = "the file is damaged or not a safetensors file: get it again or write it anew";
  }
  throw Error(ErrorClass::kFile, fmt::format("safetensors.{}", code), std::move(text));
}

// The header's length is checked against the file before anything is allocated.
std::uint64_t header_length(const InputFile& file) {
  if (file.size() < kPrefix) {
    refuse(file,
           "too_short",
           {.what = "the file is too short for a header",
            .seen = fmt::format("{} bytes", file.size()),
            .wanted = "at least 8 bytes"});
  }
  std::array<std::byte, kPrefix> prefix{};
  file.read_at(0, prefix);
  const std::uint64_t length = little_endian(prefix);
  if (length > kMaxSafetensorsHeader) {
    refuse(file,
           "header_too_long",
           {.what = "the header claims to be longer than the format allows",
            .seen = fmt::format("{} bytes", length),
            .wanted = fmt::format("at most {} bytes", kMaxSafetensorsHeader)});
  }
  if (length > file.size() - kPrefix) {
    refuse(file,
           "header_past_end",
           {.what = "the header claims to be longer than the file",
            .seen = fmt::format("{} bytes", length),
            .wanted = fmt::format("at most {} bytes", file.size() - kPrefix)});
  }
  return length;
}

detail::SafetensorsHeader read_header(const InputFile& file) {
  const std::uint64_t length = header_length(file);
  std::byte first{};
  if (length > 0) file.read_at(kPrefix, {&first, 1});
  if (first != std::byte{'{'}) {  // seen before up to 100 MB are allocated
    refuse(file,
           "header_start",
           {.what = "the header does not begin with '{'",
            .seen = length == 0 ? "an empty header" : fmt::format("byte {}", std::to_integer<int>(first)),
            .wanted = "a JSON object"});
  }
  auto text = std::make_unique_for_overwrite<char[]>(length);
  file.read_at(kPrefix, std::as_writable_bytes(std::span(text.get(), length)));
  return detail::parse_safetensors_header(
      std::move(text), static_cast<std::uint32_t>(length), file.size() - kPrefix - length, file.label());
}

}  // namespace

SafetensorsReader SafetensorsReader::open(const Path& path) {
  return SafetensorsReader(InputFile::open(path));
}

SafetensorsReader::SafetensorsReader(InputFile file)
    : file_(std::move(file)),
      header_(std::make_unique<const detail::SafetensorsHeader>(read_header(file_))) {}

SafetensorsReader::SafetensorsReader(SafetensorsReader&&) noexcept = default;
SafetensorsReader& SafetensorsReader::operator=(SafetensorsReader&&) noexcept = default;
SafetensorsReader::~SafetensorsReader() = default;

std::size_t SafetensorsReader::size() const {
  return header_->tensors.size();
}

std::vector<std::string> SafetensorsReader::names() const {
  std::vector<std::string> names;
  names.reserve(size());
  for (const auto& record : header_->tensors) names.push_back(decode(header_->written(record.name)));
  return names;
}

// Index of the record, or size().
std::size_t SafetensorsReader::find(std::string_view name) const {
  const auto& tensors = header_->tensors;
  const auto found = std::lower_bound(
      tensors.begin(), tensors.end(), name, [&](const auto& record, std::string_view wanted) {
        return compare(header_->written(record.name), wanted) < 0;
      });
  if (found == tensors.end() || compare(header_->written(found->name), name) != 0) return size();
  return static_cast<std::size_t>(found - tensors.begin());
}

bool SafetensorsReader::contains(std::string_view name) const {
  return find(name) < size();
}

std::map<std::string, std::string> SafetensorsReader::metadata() const {
  std::map<std::string, std::string> metadata;
  for (const auto& key : header_->metadata_keys) {
    metadata.emplace(decode(header_->written(key)), header_->metadata_value(key));
  }
  return metadata;
}

TensorInfo SafetensorsReader::info(std::string_view name) const {
  const std::size_t index = find(name);
  if (index == size()) {
    const std::vector<std::string> candidates = size() <= 100'000 ? names() : std::vector<std::string>{};
    const auto near = nearest_name(name, candidates);
    refuse(file_,
           "no_such_tensor",
           {.what = "no such tensor",
            .seen = printable(name),
            .wanted = near ? "perhaps " + printable(*near) : fmt::format("one of the {} tensors", size()),
            .remedy = "list the tensors with: tenfold info PATH"});
  }
  const detail::TensorRecord& record = header_->tensors[index];
  return {
      decode(header_->written(record.name)), record.dtype, header_->shape(record), record.end - record.begin};
}

AlignedBuffer SafetensorsReader::read(std::string_view name) const {
  AlignedBuffer buffer(info(name).bytes);
  read(name, buffer.bytes());
  return buffer;
}

void SafetensorsReader::read(std::string_view name, std::span<std::byte> target) const {
  const TensorInfo tensor = info(name);
  if (target.size() != tensor.bytes) {
    refuse(file_,
           "buffer_size",
           {.what = fmt::format("the buffer for tensor \"{}\" has the wrong size", printable(name)),
            .seen = fmt::format("{} bytes", target.size()),
            .wanted = fmt::format("{} bytes", tensor.bytes),
            .remedy = "ask info() for the size"});
  }
  const std::uint64_t offset = kPrefix + header_->text_size + header_->tensors[find(name)].begin;
  file_.read_at(offset, target);  // within the file: checked when the header was read
}

InputFile::Mapping SafetensorsReader::map(std::string_view name) const {
  const TensorInfo tensor = info(name);
  const std::uint64_t offset = kPrefix + header_->text_size + header_->tensors[find(name)].begin;
  InputFile::Mapping mapping = file_.map();
  mapping.bytes = mapping.bytes.subspan(offset, tensor.bytes);  // within it: checked when the header was read
  return mapping;
}

std::size_t SafetensorsReader::element_count(std::string_view name, DType wanted) const {
  const TensorInfo tensor = info(name);
  if (tensor.dtype != wanted) {
    refuse(file_,
           "wrong_dtype",
           {.what = fmt::format("tensor \"{}\" has another element type", printable(name)),
            .seen = std::string(to_string(tensor.dtype)),
            .wanted = std::string(to_string(wanted)),
            .remedy = "convert the file"});
  }
  return tensor.bytes / element_size(wanted);
}

// --- writing ---

namespace {

[[noreturn]] void refuse_write(std::string_view code, ErrorText text) {
  throw Error(ErrorClass::kData, fmt::format("safetensors.write_{}", code), std::move(text));
}

void check_view(const TensorView& tensor) {
  if (!is_valid_utf8(tensor.name) || tensor.name == "__metadata__") {
    refuse_write("name",
                 {.what = "a tensor cannot have this name",
                  .seen = printable(tensor.name),
                  .wanted = "valid UTF-8, not __metadata__",
                  .remedy = "rename it"});
  }
  const auto bytes = byte_count(tensor.dtype, tensor.shape);
  if (tensor.shape.size() > kMaxTensorRank || bytes != tensor.data.size()) {
    refuse_write("shape",
                 {.what = fmt::format("shape and data of tensor \"{}\" disagree", printable(tensor.name)),
                  .seen = fmt::format("{} bytes", tensor.data.size()),
                  .wanted = fmt::format("{} [{}], at most {} dimensions",
                                        to_string(tensor.dtype),
                                        fmt::join(tensor.shape, ", "),
                                        kMaxTensorRank),
                  .remedy = "pass the shape of the data"});
  }
}

std::vector<const TensorView*> in_file_order(std::span<const TensorView> tensors) {
  std::vector<const TensorView*> order;
  order.reserve(tensors.size());
  for (const TensorView& tensor : tensors) {
    check_view(tensor);
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    if (a->dtype != b->dtype) return a->dtype > b->dtype;
    return a->name < b->name;
  });
  std::vector<std::string_view> names;
  names.reserve(order.size());
  for (const TensorView* tensor : order) names.emplace_back(tensor->name);
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end()) {
    refuse_write("name",
                 {.what = "two tensors have the same name",
                  .seen = printable(*twin),
                  .wanted = "every name once",
                  .remedy = "rename one"});
  }
  return order;
}

std::string json_quoted(const std::string& text) {
  if (!is_valid_utf8(text)) {
    refuse_write("name",
                 {.what = "metadata is not valid UTF-8", .seen = printable(text), .remedy = "encode it"});
  }
  return nlohmann::json(text).dump();
}

std::string make_header(std::span<const TensorView* const> order, const SafetensorsMetadata& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      header += json_quoted(key) + ":" + json_quoted(value) + ",";
    }
    header.back() = '}';
    header += ',';
  }
  std::uint64_t offset = 0;
  for (const TensorView* tensor : order) {
    const auto end = checked::add<std::uint64_t>(offset, tensor->data.size());
    check_internal(end.has_value(), "the tensors in memory together have less than 2^64 bytes");
    header += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}},)",
                          json_quoted(tensor->name),
                          to_string(tensor->dtype),
                          fmt::join(tensor->shape, ","),
                          offset,
                          *end);
    offset = *end;
  }
  if (header.back() == ',') header.pop_back();
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');  // tensor data begins at a multiple of 8
  if (header.size() > kMaxSafetensorsHeader) {
    refuse_write("header",
                 {.what = "the header is longer than the format allows",
                  .seen = fmt::format("{} bytes", header.size()),
                  .wanted = fmt::format("at most {} bytes", kMaxSafetensorsHeader),
                  .remedy = "write fewer tensors or less metadata into one file"});
  }
  return header;
}

}  // namespace

void write_safetensors(WritableFile& file,
                       std::span<const TensorView> tensors,
                       const SafetensorsMetadata& metadata) {
  const std::vector<const TensorView*> order = in_file_order(tensors);
  const std::string header = make_header(order, metadata);
  std::array<std::byte, kPrefix> prefix{};
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    prefix.at(i) = static_cast<std::byte>(header.size() >> (8 * i) & 0xFF);
  }
  file.write(prefix);
  file.write(std::as_bytes(std::span(header)));
  for (const TensorView* tensor : order) {
    if (!tensor->data.empty()) file.write(tensor->data);
  }
}

void write_safetensors(FileSystem& files,
                       const Path& path,
                       std::span<const TensorView> tensors,
                       const SafetensorsMetadata& metadata) {
  write_file_atomically(files, path, [&](WritableFile& file) { write_safetensors(file, tensors, metadata); });
}

}  // namespace tenfold::io
