// SPDX-License-Identifier: Apache-2.0
// The program `tenfold`: answers --help and --version at once, prepares BLAS and threads, and loads the part of the
// real program that the command needs. It links no LibTorch: OpenBLAS reads its settings when it is loaded, so they must
// stand in the environment before.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenfold/base/threads.h"
#include "tenfold/base/version.h"
#include "tenfold/cli/blas_rule.h"
#include "tenfold_launcher_embedded.h"

namespace {

namespace fs = std::filesystem;
using tenfold::cli::better_coretype;

constexpr char kRestarted[] = "TENFOLD_BLAS_CHECKED";  // keeps a restart from repeating itself

struct Page {
  std::string_view path;
  bool needs_torch = true;
  std::string_view text;
};

// The help archive of cli/command_tree.h.
std::vector<Page> pages() {
  std::vector<Page> result;
  std::string_view rest = tenfold::launcher::embedded::help_archive();
  while (!rest.empty()) {
    const std::size_t end = rest.find('\x1e');
    const std::string_view record = rest.substr(0, end);
    const std::size_t first = record.find('\x1f');
    const std::size_t second = record.find('\x1f', first + 1);
    result.push_back({record.substr(0, first), record[first + 1] == '1', record.substr(second + 1)});
    rest.remove_prefix(end + 1);
  }
  return result;
}

// The page of the longest command path that the words begin with; the first page is the program's own.
const Page& find_page(const std::vector<Page>& all, const std::vector<std::string_view>& words) {
  const Page* best = &all.front();
  std::string path;
  for (std::string_view word : words) {
    if (word == "help" && path.empty()) continue;
    if (word.starts_with("-")) break;
    path += (path.empty() ? "" : " ") + std::string(word);
    for (const Page& page : all) {
      if (page.path == path) best = &page;
    }
  }
  return *best;
}

// Documents that the build made from the whole command tree: no part of the program need be loaded for them.
std::optional<std::string_view> find_document(const std::vector<std::string_view>& words) {
  namespace documents = tenfold::launcher::embedded;
  if (words.size() == 1 && words[0] == "man") return documents::man();
  if (words.empty() || words[0] != "completion" || words.size() > 2) return std::nullopt;
  const std::string_view shell = words.size() == 1 ? "bash" : words[1];
  if (shell == "bash") return documents::completion_bash();
  if (shell == "zsh") return documents::completion_zsh();
  if (shell == "fish") return documents::completion_fish();
  return std::nullopt;
}

int print(std::string_view text) {
  const bool done =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!done)
    std::fprintf(stderr,
                 "tenfold: error: standard output cannot be written\n  remedy: check where it goes\n");
  return done ? 0 : 5;
}

bool names_a_command(const std::vector<std::string_view>& words) {
  for (std::string_view word : words) {
    if (word != "help") return !word.starts_with("-");
  }
  return false;
}

bool wants_help(const std::vector<std::string_view>& words) {
  if (words.empty() || words[0] == "help") return true;
  for (std::string_view word : words) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return false;
}

void set_default(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), 0);
}

// OpenMP and BLAS read their thread count when they are loaded. `launch` shares the cores among its ranks itself.
void prepare_threads(const std::vector<std::string_view>& words, char** argv) {
  if (words[0] == "launch") return;
  std::string threads = "0";
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (words[i] == "--threads" && i + 1 < words.size()) threads = words[i + 1];
    if (words[i].starts_with("--threads=")) threads = words[i].substr(std::strlen("--threads="));
  }
  if (threads.find_first_not_of("0123456789") != std::string::npos || threads == "0") {
    threads = std::to_string(tenfold::default_thread_count());
  }
  set_default("OMP_NUM_THREADS", threads);
  // libgomp's threads otherwise spin for milliseconds at every barrier: on cores that other programs use too, that made
  // training steps five to ten times slower (docs/performance.md).
  if (std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  set_default("GOMP_SPINCOUNT", "1000");
  // This program is linked with libgomp, which has read its variables before main: only a new start makes it read them.
  ::execv("/proc/self/exe", argv);  // on failure its own defaults serve
}

// Debian's folder of the OpenMP flavour, or a folder named by the user (also how the tests stand in another library).
fs::path blas_folder() {
  if (const char* chosen = std::getenv("TENFOLD_BLAS_FOLDER")) return chosen;
  return "/usr/lib/" TENFOLD_MULTIARCH "/openblas-openmp";
}

// Loads the OpenMP flavour of OpenBLAS by its path: LibTorch then reuses it by its soname, whatever the alternatives
// of the system point to. When it chose a kernel that wastes this processor, the program starts anew with the right one
// in the environment, since the choice cannot be changed in a loaded library.
void prepare_blas(char** argv) {
  const fs::path folder = blas_folder();
  void* openblas = ::dlopen((folder / "libopenblas.so.0").c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (openblas == nullptr) return;  // another BLAS serves; `tenfold doctor` says which
  ::dlopen((folder / "libblas.so.3").c_str(), RTLD_NOW | RTLD_GLOBAL);
  const auto corename = reinterpret_cast<char* (*)()>(::dlsym(openblas, "openblas_get_corename"));
  if (corename == nullptr || std::getenv("OPENBLAS_CORETYPE") != nullptr ||
      std::getenv(kRestarted) != nullptr)
    return;
  const auto better = better_coretype(corename(), tenfold::cpu_info());
  if (!better) return;
  ::setenv("OPENBLAS_CORETYPE", better->c_str(), 1);
  ::setenv(kRestarted, "1", 1);
  ::execv("/proc/self/exe", argv);  // on failure the slow kernel serves; doctor reports it
}

void* load_app(const fs::path& folder, std::string_view name) {
  for (const fs::path& place : {folder / ".." / "lib",
                                folder / ".." / "lib" / "tenfold",
                                folder / ".." / "lib" / TENFOLD_MULTIARCH / "tenfold"}) {
    const fs::path file = place / name;
    std::error_code ignored;
    if (!fs::exists(file, ignored)) continue;
    if (void* library = ::dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL)) return library;
    std::fprintf(stderr,
                 "tenfold: error: a part of the program cannot be loaded: %s\n"
                 "  remedy: install the packages of packaging/dependencies.txt, or build again\n",
                 ::dlerror());
    std::exit(6);
  }
  return nullptr;
}

// `tenfold SYSTEM reproduce ...` is `tenfold reproduce SYSTEM ...`: one command runs the claims of all systems.
void put_command_first(int argc, char** argv) {
  if (argc < 3 || std::string_view(argv[2]) != "reproduce") return;
  const std::string_view first = argv[1];
  if (first.starts_with("-") || first == "help" || first == "reproduce") return;
  std::swap(argv[1], argv[2]);
}

}  // namespace

int main(int argc, char** argv) {
  put_command_first(argc, argv);
  const std::vector<std::string_view> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const std::vector<Page> all = pages();
  const Page& page = find_page(all, words);
  // An unknown command gets its error from the program, also when it asks for help.
  const bool known = !page.path.empty() || !names_a_command(words);
  if (wants_help(words) && known) return print(page.text);
  if (const auto document = find_document(words)) return print(*document);
  if (words[0] == "--version") {
    std::printf("tenfold %.*s (%.*s)\n",
                static_cast<int>(tenfold::version().size()),
                tenfold::version().data(),
                static_cast<int>(tenfold::revision().size()),
                tenfold::revision().data());
    return std::fflush(stdout) == 0 ? 0 : 5;
  }
  prepare_threads(words, argv);
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  void* app = nullptr;
  if (page.needs_torch) {
    prepare_blas(argv);
    app = load_app(folder, "libtenfold_app.so");
  }
  if (app == nullptr) app = load_app(folder, "libtenfold_app_core.so");
  const auto run =
      app == nullptr ? nullptr : reinterpret_cast<int (*)(int, char**)>(::dlsym(app, "tenfold_app_main"));
  if (run == nullptr) {
    std::fprintf(stderr,
                 "tenfold: error: libtenfold_app.so is not beside the program\n"
                 "  seen:   %s\n  remedy: build or install it again\n",
                 folder.c_str());
    return 6;
  }
  return run(argc, argv);
}
