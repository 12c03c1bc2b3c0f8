// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/collections.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/search/tokenizer.h"

namespace tenfold::retrieval {
namespace {

constexpr std::size_t kLeastWords = 3;  // of a query, and of a document

const search::Tokenizer& words_of() {
  static const search::Tokenizer tokenizer({.stemmer = "light"});
  return tokenizer;
}

std::string spaces_for_underscores(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

// A text without the words (as written, between spaces) that have a stem of the set.
std::string without(std::string_view text, const std::set<std::string>& stems) {
  std::string kept;
  for (const std::string& piece : split(std::string(text), ' ')) {
    const std::vector<std::string> words = words_of()(piece);
    const bool masked = std::any_of(
        words.begin(), words.end(), [&](const std::string& word) { return stems.contains(word); });
    if (piece.empty() || masked) continue;
    kept += (kept.empty() ? "" : " ") + piece;
  }
  return kept;
}

struct Synset {
  std::string key;                     // "n00001740"
  std::vector<std::string> words;      // "physical entity"
  std::vector<std::string> hypernyms;  // keys
  std::string definition;
  std::vector<std::string> examples;
};

Error bad_line(const std::string& file, std::size_t line, std::string seen) {
  return Error(ErrorClass::kData,
               "collection.wordnet_line",
               {.what = fmt::format("{}:{} is not a synset", file, line),
                .seen = printable(seen),
                .wanted = "a line as wndb(5WN) describes it",
                .remedy = "install wordnet-base again, or name another folder with --source"});
}

// "definition; more of it; \"an example\"; \"another\""
void split_gloss(std::string_view gloss, Synset& synset) {
  bool quoted = false;
  std::string current, definition;
  for (const char c : gloss) {
    if (c != '"') {
      (quoted ? current : definition) += c;
      continue;
    }
    if (quoted && !current.empty()) synset.examples.push_back(current);
    current.clear();
    quoted = !quoted;
  }
  for (const std::string& part : split(definition, ';')) {
    const std::string text{trim(part)};
    if (!text.empty()) synset.definition += (synset.definition.empty() ? "" : "; ") + text;
  }
}

int number(const std::string& digits, int base) {
  int value = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() && end == digits.data() + digits.size() ? value : -1;
}

// Offset, file number, kind, number of words (hexadecimal), words each with a number, number of pointers, pointers: symbol, offset, kind,
// source and target.
bool parse_synset(std::string_view line, Synset& synset) {
  const std::size_t bar = line.find(" | ");
  if (bar == std::string_view::npos) return false;
  const std::vector<std::string> fields = split(std::string(line.substr(0, bar)), ' ');
  if (fields.size() < 4 || fields[2].size() != 1) return false;
  const int words = number(fields[3], 16);
  if (words < 1 || fields.size() < 5 + 2 * static_cast<std::size_t>(words)) return false;
  const auto kind = [](const std::string& letter) { return letter == "s" ? std::string("a") : letter; };
  synset.key = kind(fields[2]) + fields[0];
  std::size_t at = 4;
  for (int i = 0; i < words; ++i, at += 2) {
    const std::string word =
        fields[at].substr(0, fields[at].find('('));  // "(p)" marks the place of an adjective
    synset.words.push_back(spaces_for_underscores(word));
  }
  const int pointers = number(fields[at++], 10);
  if (pointers < 0 || fields.size() < at + 4 * static_cast<std::size_t>(pointers)) return false;
  for (int i = 0; i < pointers; ++i, at += 4)
    if (fields[at] == "@") synset.hypernyms.push_back(kind(fields[at + 2]) + fields[at + 1]);
  split_gloss(line.substr(bar + 3), synset);
  return true;
}

void add_synset(const Synset& synset,
                const std::unordered_map<std::string, const Synset*>& by_key,
                MadeCollection& collection) {
  std::set<std::string> used;  // stems of the synset's words that its own examples use
  std::set<std::string> in_examples;
  for (const std::string& example : synset.examples)
    for (const std::string& word : words_of()(example)) in_examples.insert(word);
  std::string text;
  for (const std::string& word : synset.words) {
    const std::vector<std::string> stems = words_of()(word);
    const bool seen = std::any_of(
        stems.begin(), stems.end(), [&](const std::string& stem) { return in_examples.contains(stem); });
    if (seen) used.insert(stems.begin(), stems.end());
  }
  for (const std::string& word : synset.words) text += word + ", ";
  text += "a kind of ";
  for (const std::string& key : synset.hypernyms)
    if (const auto found = by_key.find(key); found != by_key.end())
      for (const std::string& word : found->second->words) text += word + ", ";
  text =
      synset.hypernyms.empty() ? text.substr(0, text.size() - std::string_view("a kind of ").size()) : text;
  text = without(text + synset.definition, used);
  if (words_of()(text).size() < kLeastWords) return;
  collection.documents.push_back({synset.key, text});
  for (std::size_t i = 0; i < synset.examples.size(); ++i)
    if (words_of()(synset.examples[i]).size() >= kLeastWords)
      collection.queries.push_back({fmt::format("{}-{}", synset.key, i),
                                    synset.examples[i],
                                    {synset.key},
                                    split_of_document(synset.key)});
}

struct Package {
  std::string name, synopsis, description;
};

// "Description-en: synopsis", then lines that begin with a space; " ." is an empty line.
std::vector<Package> read_packages(std::string_view text) {
  std::vector<Package> packages;
  Package current;
  bool inside = false;
  const auto finish = [&] {
    if (!current.name.empty() && !current.description.empty()) packages.push_back(current);
    current = {};
  };
  for (const std::string& line : split(std::string(text), '\n')) {
    if (line.empty()) {
      finish();
      inside = false;
    } else if (line[0] == ' ' && inside) {
      if (line != " .") current.description += std::string(trim(line)) + " ";
    } else if (line.starts_with("Package: ")) {
      current.name = trim(std::string_view(line).substr(9));
    } else if (line.starts_with("Description-en: ") || line.starts_with("Description: ")) {
      current.synopsis = trim(std::string_view(line).substr(line.find(':') + 1));
      current.description.clear();
      inside = true;
    } else {
      inside = false;
    }
  }
  finish();
  return packages;
}

std::string without_name(const Package& package) {
  const std::vector<std::string> stems = words_of()(package.name);
  return without(package.description, {stems.begin(), stems.end()});
}

}  // namespace

std::string split_of_document(std::string_view id) {
  const int byte = number(sha256_hex(std::string(id)).substr(0, 4), 16);  // of 65,536
  return byte < 6554 ? "test" : byte < 13107 ? "dev" : "train";
}

MadeCollection parse_wordnet(const std::map<std::string, std::string>& files) {
  std::vector<Synset> synsets;
  for (const auto& [file, text] : files) {
    std::size_t line_number = 0;
    for (const std::string& line : split(text, '\n')) {
      ++line_number;
      if (line.empty() || line.starts_with("  ")) continue;  // the licence
      Synset synset;
      if (!parse_synset(line, synset)) throw bad_line(file, line_number, line.substr(0, 80));
      synsets.push_back(std::move(synset));
    }
  }
  std::unordered_map<std::string, const Synset*> by_key;
  for (const Synset& synset : synsets) by_key.emplace(synset.key, &synset);
  MadeCollection collection;
  for (const Synset& synset : synsets) add_synset(synset, by_key, collection);
  return collection;
}

MadeCollection parse_packages(std::string_view text) {
  MadeCollection collection;
  std::unordered_map<std::string, std::string> by_text;  // description to document
  std::set<std::string> names;
  std::map<std::string, std::set<std::string>> by_synopsis;
  for (const Package& package : read_packages(text)) {
    const std::string description = without_name(package);
    // Of two versions of a package the first one counts.
    if (words_of()(description).size() < kLeastWords || !names.insert(package.name).second) continue;
    const auto [found, fresh] = by_text.try_emplace(description, package.name);
    if (fresh) collection.documents.push_back({package.name, description});
    if (words_of()(package.synopsis).size() >= kLeastWords)
      by_synopsis[package.synopsis].insert(found->second);
  }
  if (collection.documents.empty()) {
    throw Error(
        ErrorClass::kData,
        "collection.no_descriptions",
        {.what = "there is no package with a long description",
         .seen = fmt::format("{} bytes", text.size()),
         .wanted = "paragraphs with Package and Description-en",
         .remedy =
             "run apt-get update -o Acquire::Languages=en, then name its Translation-en file with --source"});
  }
  for (const auto& [synopsis, documents] : by_synopsis) {
    MadeCollection::Query query{*documents.begin(), synopsis, {documents.begin(), documents.end()}, ""};
    query.split = split_of_document(query.id);
    const bool same = std::all_of(documents.begin(), documents.end(), [&](const std::string& id) {
      return split_of_document(id) == query.split;
    });
    if (!same) continue;
    query.id = fmt::format("{}-{}", query.id, sha256_hex(synopsis).substr(0, 8));
    collection.queries.push_back(std::move(query));
  }
  return collection;
}

void write_collection(FileSystem& files, const Path& folder, MadeCollection collection) {
  const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  std::sort(collection.documents.begin(), collection.documents.end(), by_id);
  std::sort(collection.queries.begin(), collection.queries.end(), by_id);
  std::string corpus, queries;
  std::map<std::string, std::string> labels;
  for (const char* name : {"train", "dev", "test"}) labels[name] = "query-id\tcorpus-id\tscore\n";
  const auto line = [](const std::string& id, const std::string& text) {
    return nlohmann::ordered_json({{"_id", id}, {"text", text}})
               .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
  };
  for (const auto& document : collection.documents) corpus += line(document.id, document.text);
  for (const auto& query : collection.queries) {
    queries += line(query.id, query.text);
    for (const std::string& document : query.documents)
      labels.at(query.split) += fmt::format("{}\t{}\t1\n", query.id, document);
  }
  files.make_directories(folder / "qrels");
  write_file_atomically(files, folder / "queries.jsonl", queries);
  for (const auto& [name, text] : labels)
    write_file_atomically(files, folder / "qrels" / (name + ".tsv"), text);
  write_file_atomically(
      files, folder / "corpus.jsonl", corpus);  // last: without it the folder is no collection
}

}  // namespace tenfold::retrieval
