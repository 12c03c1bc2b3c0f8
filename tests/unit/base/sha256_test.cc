// SPDX-License-Identifier: Apache-2.0
// SHA-256 against the vectors of FIPS 180-4's examples, and the rules of its incremental interface.
#include "tenfold/base/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"

namespace tenfold {
namespace {

constexpr std::string_view kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kMillion = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), kAbc);
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')), kMillion);
}

TEST(Sha256, DoesNotDependOnHowTheInputIsCut) {
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{63}, std::size_t{64}, std::size_t{65}}) {
    Sha256 hash;
    for (std::size_t done = 0; done < 1000000; done += piece) {
      hash.update(std::string(std::min<std::size_t>(piece, 1000000 - done), 'a'));
    }
    EXPECT_EQ(hash.hex_digest(), kMillion) << "pieces of " << piece;
  }
}

TEST(Sha256, TakesBytesTextAndEmptyPieces) {
  Sha256 hash;
  hash.update(std::span<const std::byte>());
  hash.update(std::vector<std::byte>{std::byte{'a'}});
  hash.update("");
  hash.update("bc");
  EXPECT_EQ(hash.hex_digest(), kAbc);
}

TEST(Sha256, HashesZeroBytesToo) {
  EXPECT_NE(sha256_hex(std::string_view("\0", 1)), sha256_hex(""));
  EXPECT_NE(sha256_hex(std::string_view("\0", 1)), sha256_hex(std::string_view("\0\0", 2)));
}

TEST(Sha256, KeepsItsStateWhenMoved) {
  Sha256 first;
  first.update("ab");
  Sha256 second(std::move(first));
  second.update("c");
  Sha256 third;
  third.update("something else");
  third = std::move(second);
  EXPECT_EQ(third.hex_digest(), kAbc);
}

TEST(Sha256, RefusesUseAfterItsDigestInsteadOfGivingAWrongOne) {
  Sha256 hash;
  hash.update("abc");
  EXPECT_EQ(hash.hex_digest(), kAbc);
  EXPECT_THROW(hash.hex_digest(), Error);
  EXPECT_THROW(hash.update("more"), Error);
}

}  // namespace
}  // namespace tenfold
