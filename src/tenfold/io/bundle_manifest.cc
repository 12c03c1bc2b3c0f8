// SPDX-License-Identifier: Apache-2.0
// manifest.json of a bundle: every field checked before any of it is used.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/bundle.h"
#include "tenfold/io/json.h"

namespace tenfold::io {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 15> kMemberNames = {"config.toml",
                                                           "run.json",
                                                           "weights.safetensors",
                                                           "optimizer.safetensors",
                                                           "state.json",
                                                           "index.safetensors",
                                                           "index.codes",
                                                           "words.safetensors",
                                                           "docids.safetensors",
                                                           "docid_scheme.safetensors",
                                                           "documents.jsonl",
                                                           "vocabulary.json",
                                                           "merges.txt",
                                                           "tokenizer.model",
                                                           "metrics.json"};
constexpr std::size_t kMaxSystemName = 64;
constexpr std::size_t kMaxCreator = 256;
constexpr std::size_t kHashDigits = 64;

class ManifestParser {
 public:
  explicit ManifestParser(std::string_view place) : place_(place) {}

  BundleManifest parse(const json& root) const {
    require(root.is_object(), "the manifest", root, "a JSON object");
    BundleManifest manifest;
    manifest.format_version = version(root);
    check_keys(root, {"format_version", "system", "created_by", "members"}, "the manifest");
    manifest.system = text(root, "system");
    require(is_system_name(manifest.system),
            "system",
            root.at("system"),
            "lower-case letters, digits, '-' and '_'");
    manifest.created_by = text(root, "created_by");
    require(
        manifest.created_by.size() <= kMaxCreator, "created_by", root.at("created_by"), "at most 256 bytes");
    const json& members = root.at("members");
    require(members.is_array(), "members", members, "an array");
    for (const json& entry : members) manifest.members.push_back(member(entry, manifest.members));
    return manifest;
  }

 private:
  [[noreturn]] void fail(std::string_view code, ErrorText error) const {
    error.what = fmt::format("{}: {}", place_, error.what);
    if (error.remedy.empty()) error.remedy = "the bundle is damaged or not made by tenfold: get it again";
    throw Error(ErrorClass::kFile, fmt::format("bundle.{}", code), std::move(error));
  }

  void require(bool condition, std::string_view field, const json& seen, std::string_view wanted) const {
    if (condition) return;
    fail("manifest_field",
         {.what = fmt::format("{} is not as it should be", field),
          .seen = printable(seen.dump(), 80),
          .wanted = std::string(wanted)});
  }

  void check_keys(const json& object,
                  std::initializer_list<std::string_view> keys,
                  std::string_view noun) const {
    for (const std::string_view key : keys) {
      if (!object.contains(key)) {
        fail("manifest_field", {.what = fmt::format("{} lacks a field", noun), .wanted = std::string(key)});
      }
    }
    for (const auto& [key, value] : object.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        fail("manifest_field",
             {.what = fmt::format("{} has an unknown field", noun), .seen = printable(key)});
      }
    }
  }

  // Comes first: a newer format may differ in everything else.
  std::uint64_t version(const json& root) const {
    if (!root.contains("format_version")) {
      fail("manifest_field", {.what = "the manifest lacks a field", .wanted = "format_version"});
    }
    const json& field = root.at("format_version");
    require(field.is_number_unsigned() && field > 0, "format_version", field, "a whole number from 1 on");
    const auto value = field.get<std::uint64_t>();
    if (value > kBundleFormatVersion) {
      fail("newer_version",
           {.what = "the bundle was made by a newer tenfold",
            .seen = fmt::format("format version {}", value),
            .wanted = fmt::format("at most {}", kBundleFormatVersion),
            .remedy = "update tenfold"});
    }
    return value;
  }

  std::string text(const json& object, const char* key) const {
    const json& field = object.at(key);
    require(field.is_string(), key, field, "a string");
    return field.get<std::string>();
  }

  BundleMember member(const json& entry, std::span<const BundleMember> others) const {
    require(entry.is_object(), "a member", entry, "an object with name, size and sha256");
    check_keys(entry, {"name", "size", "sha256"}, "a member");
    BundleMember result{.name = text(entry, "name"), .sha256 = text(entry, "sha256")};
    if (std::find(kMemberNames.begin(), kMemberNames.end(), result.name) == kMemberNames.end()) {
      fail("member_name",
           {.what = "the manifest names a member that a bundle cannot have",
            .seen = printable(result.name),
            .wanted = fmt::format("one of {}", fmt::join(kMemberNames, " "))});
    }
    if (std::any_of(
            others.begin(), others.end(), [&](const auto& other) { return other.name == result.name; })) {
      fail("duplicate_member", {.what = "the manifest names a member twice", .seen = result.name});
    }
    const json& size = entry.at("size");
    require(size.is_number_unsigned(), "size of " + result.name, size, "a number of bytes");
    result.size = size.get<std::uint64_t>();
    if (result.sha256.size() != kHashDigits ||
        result.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
      fail("member_hash",
           {.what = fmt::format("sha256 of {} is not a hash", result.name),
            .seen = printable(result.sha256, 80),
            .wanted = "64 lower-case hexadecimal digits"});
    }
    return result;
  }

  static bool is_system_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxSystemName &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string_view::npos;
  }

  std::string_view place_;
};

}  // namespace

std::span<const std::string_view> bundle_member_names() {
  return kMemberNames;
}

BundleManifest parse_bundle_manifest(std::string_view text, std::string_view place) {
  const JsonLimits limits{
      .max_bytes = 1 << 20, .max_depth = 16, .max_nodes = 10'000, .error_class = ErrorClass::kFile};
  return ManifestParser(place).parse(parse_json(text, place, limits));
}

std::string format_bundle_manifest(const BundleManifest& manifest) {
  if (!is_valid_utf8(manifest.system) || !is_valid_utf8(manifest.created_by)) {
    throw Error(ErrorClass::kData,
                "bundle.manifest_field",
                {.what = "system or created_by of a bundle is not valid UTF-8",
                 .seen = printable(manifest.system + ", " + manifest.created_by),
                 .wanted = "valid UTF-8",
                 .remedy = "encode it"});
  }
  nlohmann::ordered_json members = nlohmann::ordered_json::array();
  for (const BundleMember& member : manifest.members) {
    members.push_back({{"name", member.name}, {"size", member.size}, {"sha256", member.sha256}});
  }
  const nlohmann::ordered_json root = {{"format_version", manifest.format_version},
                                       {"system", manifest.system},
                                       {"created_by", manifest.created_by},
                                       {"members", members}};
  return root.dump(2) + "\n";
}

}  // namespace tenfold::io
