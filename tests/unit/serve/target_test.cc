// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/target.h"

#include <gmock/gmock.h>

#include "tenfold/serve/errors.h"

namespace tenfold::serve {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Request parsed(const std::string& target) {
  Request request;
  request.target = target;
  parse_target(request);
  return request;
}

std::string code_of(const std::string& target) {
  try {
    parsed(target);
    return "accepted";
  } catch (const HttpError& error) {
    EXPECT_EQ(error.status(), 400);
    return error.code();
  }
}

TEST(Target, DecodesPathAndQueryOnce) {
  EXPECT_EQ(parsed("/").path, "/");
  const Request request = parsed("/a%20b/c+d?x=1%262&y=%C3%A4+b&z");
  EXPECT_EQ(request.path, "/a b/c+d");
  EXPECT_THAT(request.query, ElementsAre(Pair("x", "1&2"), Pair("y", "ä b"), Pair("z", "")));
  EXPECT_EQ(parsed("/%2541").path, "/%41") << "not twice";
}

TEST(Target, RefusesPathsThatCouldBeReadInTwoWays) {
  for (const char* target : {"/a//b",
                             "/a/",
                             "//",
                             "/./a",
                             "/a/..",
                             "/%2e%2E/a",
                             "/a%2fb",
                             "/a%5cb",
                             "/a%00",
                             "/a%0a",
                             "/%c3",
                             "/%ed%a0%80"}) {
    EXPECT_EQ(code_of(target), "http.bad_path") << target;
  }
  for (const char* target : {"/a%", "/a%4", "/a%g1", "/?x=%"})
    EXPECT_EQ(code_of(target), "http.bad_escape") << target;
  for (const char* target : {"", "*", "a/b", "http://host/a", "/a#b"}) {
    EXPECT_EQ(code_of(target), "http.bad_target") << target;
  }
  for (const char* target : {"/?=1", "/?a=%00", "/?a%0a=1", "/?a=%ff"}) {
    EXPECT_EQ(code_of(target), "http.bad_query") << target;
  }
}

TEST(Target, BoundsTheNumberOfParameters) {
  std::string target = "/?";
  for (int i = 0; i < 64; ++i) target += "a=1&";
  EXPECT_EQ(parsed(target).query.size(), 64u);
  EXPECT_EQ(code_of(target + "a=1"), "http.bad_query");
}

TEST(Target, SplitsIntoSegments) {
  EXPECT_THAT(segments("/"), IsEmpty());
  EXPECT_THAT(segments("/a/b c"), ElementsAre("a", "b c"));
}

}  // namespace
}  // namespace tenfold::serve
