// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc make-collection`: labelled collections from what a Debian system has.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/repconc/verbs/verbs.h"
#include "tenfold/systems/retrieval/collections.h"

namespace tenfold::repconc {
namespace {

constexpr const char* kWordnetFolder = "/usr/share/wordnet";  // of the package wordnet-base
constexpr const char* kAptLists = "/var/lib/apt/lists";

struct MakeCollectionOptions {
  std::string kind, source;

  void visit_fields(auto&& field) {
    field("kind",
          kind,
          {.help = "wordnet: example sentence to gloss; packages: synopsis to long description",
           .choices = {"wordnet", "packages"},
           .positional = true,
           .required = true});
    field(
        "source",
        source,
        {.help =
             "folder of WordNet's data files, or a file with package descriptions; default: what Debian has",
         .file = config::FileUse::kRead});
  }
};

Error no_source(const std::string& what, const std::string& seen, const std::string& remedy) {
  return Error(ErrorClass::kFile,
               "collection.no_source",
               {.what = what, .seen = seen, .wanted = "files of Debian, or --source", .remedy = remedy});
}

retrieval::MadeCollection wordnet_from(const Path& folder) {
  std::map<std::string, std::string> files;
  for (const char* name : {"data.adj", "data.adv", "data.noun", "data.verb"}) {
    if (!path_exists(folder / name))
      throw no_source(
          "WordNet is not installed", "no " + (folder / name).string(), "apt-get install wordnet-base");
    files[(folder / name).string()] = read_text_file(folder / name);
  }
  return retrieval::parse_wordnet(files);
}

// Translation-en files hold synopsis and long description. They are only read where apt keeps them as plain text.
retrieval::MadeCollection packages_from(const std::string& source) {
  if (!source.empty()) return retrieval::parse_packages(read_text_file(source));
  std::string text;
  std::error_code none;
  std::vector<Path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kAptLists, none))
    if (entry.path().string().ends_with("_i18n_Translation-en")) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const Path& file : files) text += read_text_file(file) + "\n";
  if (text.empty())
    throw no_source(
        "apt has no package descriptions as plain text",
        fmt::format("no *_i18n_Translation-en in {}", kAptLists),
        "apt-get update -o Acquire::Languages=en -o Acquire::GzipIndexes=false, or unpack a compressed one "
        "with /usr/lib/apt/apt-helper cat-file and name it with --source");
  return retrieval::parse_packages(text);
}

systems::Outcome run_make_collection(const MakeCollectionOptions& options, systems::Context& context) {
  if (context.out.empty()) {
    throw Error(ErrorClass::kUsage,
                "collection.no_target",
                {.what = "make-collection does not know where to write",
                 .wanted = "a folder",
                 .remedy = "add --out DIR"});
  }
  const retrieval::MadeCollection collection =
      options.kind == "wordnet"
          ? wordnet_from(options.source.empty() ? Path(kWordnetFolder) : Path(options.source))
          : packages_from(options.source);
  retrieval::write_collection(*context.files, context.out, collection);
  std::map<std::string, std::size_t> splits;
  for (const auto& query : collection.queries) ++splits[query.split];
  return systems::make_outcome(
      {{"collection", context.out.string()}, {"documents", collection.documents.size()}, {"queries", splits}},
      fmt::format("{}: {} documents; queries: {} train, {} dev, {} test\n",
                  context.out.string(),
                  collection.documents.size(),
                  splits["train"],
                  splits["dev"],
                  splits["test"]));
}

}  // namespace

systems::Verb make_collection_verb() {
  return systems::served_as(
      systems::Served::kNever,
      systems::make_verb<MakeCollectionOptions>(
          "make-collection",
          "make a labelled collection from WordNet or from Debian's package descriptions",
          "Writes a folder in the form of BEIR, with splits by document. wordnet reads the package "
          "wordnet-base "
          "(WordNet 3.0, Princeton University); packages reads the descriptions that apt has fetched "
          "(apt-get update -o Acquire::Languages=en). Both stay under their own licences.",
          {},
          run_make_collection));
}

}  // namespace tenfold::repconc
