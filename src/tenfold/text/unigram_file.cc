// SPDX-License-Identifier: Apache-2.0
// The .model file of SentencePiece: a protocol-buffer message of pieces, settings of the training and of the normalisation.
#include <fmt/format.h>

#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/text/unigram.h"
#include "tenfold/text/wire_reader.h"

namespace tenfold::text {
namespace {

constexpr std::uint64_t kUnigramModel = 1;
constexpr std::size_t kMaxPieces = 10'000'000;

class ModelParser {
 public:
  explicit ModelParser(std::string_view place) : place_(place) {}

  UnigramParts parse(std::string_view model) {
    parts_.begin = 1;  // defaults of the format
    parts_.end = 2;
    read(model, [&](const WireField& field) {
      if (field.number == 1) piece(bytes(field));
      if (field.number == 2) training(bytes(field));
      if (field.number == 3) normalisation(bytes(field));
    });
    if (model_type_ != kUnigramModel)
      throw Error(ErrorClass::kFile,
                  "unigram.model_type",
                  {.what = fmt::format("{} is no unigram model", place_),
                   .seen = fmt::format("model type {}", model_type_),
                   .wanted = "type 1, unigram",
                   .remedy = "use a model of T5's kind"});
    // A number may stand there although the vocabulary has no such marker.
    for (std::int64_t* marker : {&parts_.begin, &parts_.end, &parts_.padding}) {
      const auto count = static_cast<std::int64_t>(parts_.pieces.size());
      if (*marker < 0 || *marker >= count ||
          parts_.pieces[static_cast<std::size_t>(*marker)].type != UnigramPieceType::kControl)
        *marker = -1;
    }
    return std::move(parts_);
  }

 private:
  [[noreturn]] void fail(std::string seen) const {
    throw Error(ErrorClass::kFile,
                "unigram.file",
                {.what = fmt::format("{} is not a whole SentencePiece model", place_),
                 .seen = std::move(seen),
                 .wanted = "the .model file of a vocabulary",
                 .remedy = "get the file again"});
  }

  template <typename Use>
  void read(std::string_view message, const Use& use) const {
    WireReader reader(message);
    for (WireField field; reader.next(field);) use(field);
    if (reader.damaged()) fail(fmt::format("no field at byte {} of a part", reader.position()));
  }
  std::string_view bytes(const WireField& field) const {
    if (field.kind != WireField::Kind::kBytes) fail(fmt::format("field {} is no text", field.number));
    return field.bytes;
  }
  std::uint64_t whole(const WireField& field) const {
    if (field.kind != WireField::Kind::kVarint)
      fail(fmt::format("field {} is no whole number", field.number));
    return field.bits;
  }
  // Negative numbers are written as 64 bits.
  std::int64_t marker(const WireField& field) const { return static_cast<std::int64_t>(whole(field)); }

  void piece(std::string_view message) {
    if (parts_.pieces.size() == kMaxPieces) fail(fmt::format("more than {} pieces", kMaxPieces));
    UnigramPiece& out = parts_.pieces.emplace_back();
    read(message, [&](const WireField& field) {
      if (field.number == 1) out.text = bytes(field);
      if (field.number == 2) {
        if (field.kind != WireField::Kind::kFixed32) fail("a score is no number");
        out.score = field.as_float();
      }
      if (field.number == 3) {
        const std::uint64_t type = whole(field);
        if (type < 1 || type > 6) fail(fmt::format("a piece of type {}", type));
        out.type = static_cast<UnigramPieceType>(type);
      }
    });
  }

  void training(std::string_view message) {
    read(message, [&](const WireField& field) {
      if (field.number == 3) model_type_ = whole(field);
      if (field.number == 24) parts_.whitespace_as_suffix = whole(field) != 0;
      if (field.number == 35) parts_.byte_fallback = whole(field) != 0;
      if (field.number == 41) parts_.begin = marker(field);
      if (field.number == 42) parts_.end = marker(field);
      if (field.number == 43) parts_.padding = marker(field);
    });
  }

  void normalisation(std::string_view message) {
    read(message, [&](const WireField& field) {
      if (field.number == 2) parts_.charsmap = bytes(field);
      if (field.number == 3) parts_.add_dummy_prefix = whole(field) != 0;
      if (field.number == 4) parts_.remove_extra_whitespaces = whole(field) != 0;
      if (field.number == 5) parts_.escape_whitespaces = whole(field) != 0;
    });
  }

  std::string_view place_;
  UnigramParts parts_;
  std::uint64_t model_type_ = kUnigramModel;  // the default of the format
};

}  // namespace

UnigramTokenizer parse_unigram(std::string_view model, std::string_view place) {
  try {
    return UnigramTokenizer(ModelParser(place).parse(model));
  } catch (const Error& error) {
    if (error.error_class() != ErrorClass::kData) throw;
    throw Error(ErrorClass::kFile, error.code(), with_place(error, place).text());
  }
}

UnigramTokenizer read_unigram(const Path& model) {
  return parse_unigram(read_text_file(model), model.string());
}

}  // namespace tenfold::text
