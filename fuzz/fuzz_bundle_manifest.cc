// SPDX-License-Identifier: Apache-2.0
// Manifests of bundles: accepted names are the fixed ones, each once, and the manifest comes back from our text.
#include <algorithm>
#include <set>

#include "fuzz/harness.h"
#include "tenfold/io/bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tenfold::fuzz::require;
  tenfold::io::BundleManifest manifest;
  const std::string_view text = tenfold::fuzz::as_text(data, size);
  if (!tenfold::fuzz::accepts([&] { manifest = tenfold::io::parse_bundle_manifest(text, "input"); }))
    return 0;
  require(manifest.format_version <= tenfold::io::kBundleFormatVersion, "the version is known");
  const auto names = tenfold::io::bundle_member_names();
  std::set<std::string> seen;
  for (const auto& member : manifest.members) {
    require(std::find(names.begin(), names.end(), member.name) != names.end(), "a member has a fixed name");
    require(seen.insert(member.name).second, "a member is named once");
    require(member.sha256.size() == 64, "a member has a hash");
  }
  const std::string written = tenfold::io::format_bundle_manifest(manifest);
  const auto again = tenfold::io::parse_bundle_manifest(written, "written");
  require(again.system == manifest.system && again.created_by == manifest.created_by, "the fields come back");
  require(again.members.size() == manifest.members.size(), "the members come back");
  require(tenfold::io::format_bundle_manifest(again) == written, "the text comes back");
  return 0;
}
