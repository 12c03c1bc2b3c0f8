// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/peer_process.h"

#include <gtest/gtest.h>

#include "tenfold/base/error.h"

namespace tenfold::report {
namespace {

TEST(PeerProcess, AnswersLineByLine) {
  PeerProcess peer({"cat"});
  peer.write_line("one");
  peer.write_line("two");
  EXPECT_EQ(peer.read_line(10), "one");
  EXPECT_EQ(peer.read_line(10), "two");
}

TEST(PeerProcess, AProgramThatEndsOrIsMissingIsAnError) {
  EXPECT_THROW(PeerProcess({"/nonexistent/program"}), Error);
  PeerProcess gone({"true"});
  EXPECT_THROW(gone.read_line(10), Error);
  EXPECT_THROW(
      {
        gone.write_line("run");
        gone.write_line("run");
      },
      Error);
}

TEST(PeerProcess, ASilentPeerRunsIntoTheLimit) {
  PeerProcess silent({"sleep", "0.5"});
  EXPECT_THROW(silent.read_line(0), Error);
}

}  // namespace
}  // namespace tenfold::report
