// SPDX-License-Identifier: Apache-2.0
// Attacks by bundles from strangers are in tests/malformed/bundle_attacks_test.cc.
#include "tenfold/io/bundle.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/base/sha256.h"
#include "tests/support/faulty_file_system.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

namespace fs = std::filesystem;
using faults::Fault;
using faults::FaultPlan;
using faults::FaultyFileSystem;

// A bundle whose members all depend on `value`, so that a mixture of two bundles is seen.
void save(FileSystem& files, const Path& path, float value) {
  const std::vector<float> weights(100, value);
  const std::vector<TensorView> tensors = {{"w", DType::kF32, {100}, std::as_bytes(std::span(weights))}};
  BundleWriter writer(files, path, {.system = "trends", .created_by = "tenfold test"});
  writer.add("config.toml", "value = " + std::to_string(value) + "\n");
  writer.add("weights.safetensors", [&](WritableFile& file) { write_safetensors(file, tensors); });
  writer.commit();
}

// The value of a bundle that is whole; nullopt when there is none or it does not load.
std::optional<float> load(const Path& path) {
  try {
    const BundleReader reader = BundleReader::open(path);
    reader.verify_all();
    const std::vector<float> weights = reader.open_tensors().read_as<float>("w");
    if (reader.read_text("config.toml") != "value = " + std::to_string(weights.at(99)) + "\n")
      return std::nullopt;
    return weights.at(99);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::vector<std::string> entries(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Bundle, ComesBackWithItsManifest) {
  const TempFolder folder;
  save(real_file_system(), folder / "new/deep/bundle", 3.0F);
  const BundleReader reader = BundleReader::open(folder / "new/deep/bundle");
  EXPECT_EQ(reader.manifest().format_version, 1u);
  EXPECT_EQ(reader.manifest().system, "trends");
  EXPECT_EQ(reader.manifest().created_by, "tenfold test");
  ASSERT_EQ(reader.manifest().members.size(), 2u);
  const std::string config = "value = 3.000000\n";
  EXPECT_EQ(reader.manifest().members[0].name, "config.toml");
  EXPECT_EQ(reader.manifest().members[0].size, config.size());
  EXPECT_EQ(reader.manifest().members[0].sha256, sha256_hex(config));
  EXPECT_TRUE(reader.has("weights.safetensors"));
  EXPECT_FALSE(reader.has("metrics.json"));
  EXPECT_EQ(load(folder / "new/deep/bundle"), 3.0F);
  EXPECT_EQ(entries(folder / "new/deep"), std::vector<std::string>{"bundle"});
  EXPECT_EQ(entries(folder / "new/deep/bundle"),
            (std::vector<std::string>{"config.toml", "manifest.json", "weights.safetensors"}));
}

TEST(Bundle, TheSameContentGivesTheSameBytes) {
  const TempFolder folder;
  save(real_file_system(), folder / "a", 1.0F);
  save(real_file_system(), folder / "b", 1.0F);
  for (const std::string& name : entries(folder / "a")) {
    EXPECT_EQ(read_text_file(folder / "a" / name), read_text_file(folder / "b" / name)) << name;
  }
}

TEST(Bundle, AManifestComesBackFromItsText) {
  const BundleManifest manifest{.system = "a-b_9",
                                .created_by = "tenfold \"0.1\"\n\xC3\xA9",
                                .members = {{"config.toml", 18446744073709551615u, std::string(64, 'a')},
                                            {"metrics.json", 0, std::string(64, '0')}}};
  const BundleManifest back = parse_bundle_manifest(format_bundle_manifest(manifest), "manifest");
  EXPECT_EQ(back.system, manifest.system);
  EXPECT_EQ(back.created_by, manifest.created_by);
  ASSERT_EQ(back.members.size(), 2u);
  EXPECT_EQ(back.members[0].size, manifest.members[0].size);
  EXPECT_EQ(back.members[1].name, "metrics.json");
}

TEST(Bundle, AFlippedBitInAnyMemberIsDetectedBeforeUse) {
  const TempFolder folder;
  const Path bundle = folder / "bundle";
  save(real_file_system(), bundle, 1.0F);
  random::Generator generator(20220211, 1);
  for (const std::string name : {"config.toml", "weights.safetensors"}) {
    const std::string good = read_text_file(bundle / name);
    int detected = 0;
    for (int i = 0; i < 200; ++i) {
      const std::uint32_t bit = generator.below(static_cast<std::uint32_t>(8 * good.size()));
      std::string flipped = good;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      std::ofstream(bundle / name, std::ios::binary) << flipped;
      const BundleReader reader = BundleReader::open(bundle);
      detected += error_of([&] { reader.open_member(name); }) == "file bundle.hash_mismatch" &&
                          error_of([&] { reader.read_text(name); }) == "file bundle.hash_mismatch"
                      ? 1
                      : 0;
    }
    EXPECT_EQ(detected, 200) << name;
    std::ofstream(bundle / name, std::ios::binary) << good;
  }
  EXPECT_EQ(load(bundle), 1.0F);
}

TEST(Bundle, AFlippedBitInTheManifestNeverPassesAsAnotherContent) {
  const TempFolder folder;
  const Path bundle = folder / "bundle";
  save(real_file_system(), bundle, 1.0F);
  const std::string good = read_text_file(bundle / "manifest.json");
  const auto flip = [&](std::size_t bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    return flipped;
  };
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    const std::string error = error_of([&] { parse_bundle_manifest(flip(bit), "manifest"); });
    EXPECT_TRUE(error == "no error" || error.starts_with("file ")) << error;
  }
  random::Generator generator(20220211, 2);
  for (int i = 0; i < 200; ++i) {
    const std::uint32_t bit = generator.below(static_cast<std::uint32_t>(8 * good.size()));
    std::ofstream(bundle / "manifest.json", std::ios::binary) << flip(bit);
    const std::optional<float> value = load(bundle);  // flips in created_by or in white space may load
    EXPECT_TRUE(!value || *value == 1.0F) << "bit " << bit;
  }
}

TEST(Bundle, MembersHaveFixedNamesOnce) {
  const TempFolder folder;
  BundleWriter writer(real_file_system(), folder / "bundle", {.system = "trends", .created_by = "test"});
  writer.add("metrics.json", "{}");
  EXPECT_EQ(error_of([&] { writer.add("metrics.json", "{}"); }), "data bundle.duplicate_member");
  EXPECT_EQ(error_of([&] { writer.add("../x", ""); }), "data bundle.member_name");
  EXPECT_EQ(error_of([&] { writer.add("manifest.json", ""); }), "data bundle.member_name");
}

TEST(Bundle, WithoutCommitNothingIsLeft) {
  const TempFolder folder;
  {
    BundleWriter writer(real_file_system(), folder / "bundle", {.system = "trends", .created_by = "test"});
    writer.add("metrics.json", "{}");
    EXPECT_EQ(entries(folder.path()).size(), 1u);
  }
  EXPECT_TRUE(entries(folder.path()).empty());
}

TEST(Bundle, BadOptionsAreRefusedBeforeAnythingIsWritten) {
  const TempFolder folder;
  const auto error_with = [&](const BundleWriter::Options& options) {
    return error_of([&] { BundleWriter(real_file_system(), folder / "bundle", options); });
  };
  EXPECT_EQ(error_with({.system = "../x", .created_by = ""}), "file bundle.manifest_field");
  EXPECT_EQ(error_with({.system = "", .created_by = ""}), "file bundle.manifest_field");
  EXPECT_EQ(error_with({.system = "trends", .created_by = "\xFF"}), "data bundle.manifest_field");
  EXPECT_TRUE(entries(folder.path()).empty());
}

TEST(Bundle, OnlyABundleOrNothingIsReplaced) {
  const TempFolder folder;
  const Path target = folder / "bundle";
  const auto error_when_saving = [&] { return error_of([&] { save(real_file_system(), target, 2.0F); }); };
  std::ofstream(target) << "a file";
  EXPECT_EQ(error_when_saving(), "file bundle.target_not_a_bundle");
  fs::remove(target);

  fs::create_directory(target);
  std::ofstream(target / "thesis.tex") << "years of work";
  EXPECT_EQ(error_when_saving(), "file bundle.target_not_a_bundle");
  EXPECT_EQ(read_text_file(target / "thesis.tex"), "years of work");
  fs::remove(target / "thesis.tex");
  std::ofstream(target / "config.toml") << "a = 1";
  EXPECT_EQ(error_when_saving(), "file bundle.target_not_a_bundle");
  fs::remove(target / "config.toml");
  EXPECT_EQ(error_when_saving(), "no error");  // an empty folder
  EXPECT_EQ(load(target), 2.0F);

  std::ofstream(target / "notes.txt") << "kept";
  EXPECT_EQ(error_when_saving(), "file bundle.target_not_a_bundle");
  fs::remove(target / "notes.txt");
  fs::rename(target, folder / "elsewhere");
  fs::create_symlink("elsewhere", target);
  EXPECT_EQ(error_when_saving(), "file bundle.target_not_a_bundle");
  EXPECT_EQ(error_of([&] { save(real_file_system(), folder / "elsewhere/..", 2.0F); }),
            "file bundle.target_not_a_bundle");
  EXPECT_EQ(error_of([&] { save(real_file_system(), folder / "elsewhere/", 3.0F); }), "no error");
  EXPECT_EQ(load(target), 3.0F);  // read through the link to the folder
  EXPECT_EQ(entries(folder.path()), (std::vector<std::string>{"bundle", "elsewhere"}));
}

TEST(Bundle, ReplacingTakesTheseOperations) {
  const TempFolder folder;
  save(real_file_system(), folder / "bundle", 1.0F);
  FaultyFileSystem files;
  save(files, folder / "bundle", 2.0F);
  const std::string hidden = ".bundle.tmp-" + std::to_string(::getpid()) + "-0";
  const std::vector<std::string> expected = {"make_directories " + folder.path().filename().string(),
                                             "make_directories " + hidden,
                                             "create config.toml",
                                             "write config.toml",
                                             "sync config.toml",
                                             "close config.toml",
                                             "create weights.safetensors",
                                             "write weights.safetensors",
                                             "write weights.safetensors",
                                             "write weights.safetensors",
                                             "sync weights.safetensors",
                                             "close weights.safetensors",
                                             "create manifest.json",
                                             "write manifest.json",
                                             "sync manifest.json",
                                             "close manifest.json",
                                             "sync_directory " + hidden,
                                             "exchange bundle",
                                             "sync_directory " + folder.path().filename().string(),
                                             "remove manifest.json",
                                             "remove config.toml",
                                             "remove weights.safetensors",
                                             "remove " + hidden};
  EXPECT_EQ(files.journal(), expected);
}

constexpr std::uint64_t kOperations = 23;  // of the test above
constexpr std::uint64_t kExchange = 18;

struct FaultCase {
  Fault fault;
  bool persistent;
};

TEST(Bundle, AFailureAtAnyOperationKeepsTheOldBundleOrFinishesTheNewOne) {
  FaultyFileSystem unsynced;  // no faults: real files without waiting for the disk
  for (const FaultCase& fault : {FaultCase{Fault::kNoSpace, false},
                                 FaultCase{Fault::kIo, false},
                                 FaultCase{Fault::kShortWrite, false},
                                 FaultCase{Fault::kNoSpace, true},
                                 FaultCase{Fault::kIo, true},
                                 FaultCase{Fault::kShortWrite, true}}) {
    for (std::uint64_t failing = 1; failing <= kOperations; ++failing) {
      const TempFolder folder;
      const Path bundle = folder / "bundle";
      save(unsynced, bundle, 1.0F);
      FaultyFileSystem files({.fault = fault.fault, .at = failing, .persistent = fault.persistent});
      std::string message;
      try {
        save(files, bundle, 2.0F);
        ADD_FAILURE() << "operation " << failing << " failed unseen";
      } catch (const Error& error) {
        message = error.what();
        EXPECT_TRUE(error.error_class() == ErrorClass::kFile || error.error_class() == ErrorClass::kResource);
      }
      EXPECT_NE(message.find(folder.path().string()), std::string::npos) << message;
      EXPECT_EQ(load(bundle), failing <= kExchange ? 1.0F : 2.0F) << files.journal().at(failing - 1);
      if (!fault.persistent && failing <= kExchange) {
        EXPECT_EQ(entries(folder.path()), std::vector<std::string>{"bundle"})
            << files.journal().at(failing - 1);
      }
      // Whatever was left behind, the next save works.
      save(unsynced, bundle, 3.0F);
      EXPECT_EQ(load(bundle), 3.0F);
    }
    const TempFolder folder;
    save(unsynced, folder / "bundle", 1.0F);
    FaultyFileSystem files({.fault = fault.fault, .at = kOperations + 1, .persistent = fault.persistent});
    save(files, folder / "bundle", 2.0F);
    EXPECT_EQ(files.operations(), kOperations);
  }
}

TEST(Bundle, AFailureOfTheFirstSaveLeavesNothing) {
  std::uint64_t failing = 1;
  for (;; ++failing) {
    const TempFolder folder;
    FaultyFileSystem files({.fault = Fault::kNoSpace, .at = failing});
    if (error_of([&] { save(files, folder / "bundle", 2.0F); }) == "no error") break;
    if (files.journal().at(failing - 1) == "sync_directory " + folder.path().filename().string()) {
      EXPECT_EQ(load(folder / "bundle"), 2.0F);
    } else {
      EXPECT_TRUE(entries(folder.path()).empty()) << files.journal().at(failing - 1);
    }
  }
  EXPECT_EQ(failing - 1, 19u) << "as above, with rename for exchange and nothing to remove";
}

TEST(Bundle, AKillBeforeAnyOperationLeavesAWholeBundle) {
  FaultyFileSystem unsynced;  // no faults: real files without waiting for the disk
  for (std::uint64_t killing = 1; killing <= kOperations; ++killing) {
    const TempFolder folder;
    const Path bundle = folder / "bundle";
    save(unsynced, bundle, 1.0F);
    const pid_t child = ::fork();
    if (child == 0) {
      FaultyFileSystem files({.fault = Fault::kKill, .at = killing});
      save(files, bundle, 2.0F);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    EXPECT_EQ(load(bundle), killing <= kExchange ? 1.0F : 2.0F) << "killed before operation " << killing;
    save(unsynced, bundle, 3.0F);
    EXPECT_EQ(load(bundle), 3.0F);
  }
}

// tests/data/bundles/v1/SOURCE.txt says how it was made, without this code. weight[i] = i / 4 - 1, ids = 1, 10, 100.
TEST(Bundle, TheFixtureOfVersionOneLoads) {
  const BundleReader reader = BundleReader::open(Path(TENFOLD_SOURCE_DIR) / "tests/data/bundles/v1");
  EXPECT_EQ(reader.manifest().format_version, 1u);
  EXPECT_EQ(reader.manifest().system, "trends");
  reader.verify_all();
  const SafetensorsReader tensors = reader.open_tensors();
  EXPECT_EQ(tensors.names(), (std::vector<std::string>{"ids", "layer.bias", "layer.weight"}));
  const std::vector<float> weight = tensors.read_as<float>("layer.weight");
  ASSERT_EQ(tensors.info("layer.weight").shape, (std::vector<std::uint64_t>{2, 4}));
  for (std::size_t i = 0; i < weight.size(); ++i)
    EXPECT_NEAR(weight[i], static_cast<double>(i) / 4 - 1, 1e-6);
  EXPECT_EQ(tensors.read_as<std::int64_t>("ids"), (std::vector<std::int64_t>{1, 10, 100}));
  EXPECT_EQ(tensors.metadata().at("format"), "tenfold");
  EXPECT_EQ(reader.read_text("config.toml"), "seed = 1\n");
  EXPECT_EQ(reader.read_text("metrics.json"), "{\"loss\": 0.25}\n");
  EXPECT_EQ(reader.read_text("vocabulary.json"), "{\"a\": 0, \"\xC3\xA9\": 1}\n");
}

}  // namespace
}  // namespace tenfold::io
