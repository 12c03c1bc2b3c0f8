// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/metrics.h"

#include <gmock/gmock.h>

#include <regex>
#include <sstream>

#include "tests/unit/serve/test_server.h"

namespace tenfold::serve {
namespace {

using testing::HasSubstr;

TEST(Metrics, CountWhatTheyAreTold) {
  ServerMetrics metrics;
  metrics.connections_changed(+3);
  metrics.connections_changed(-1);
  metrics.responded(200, 0.0002);
  metrics.responded(200, 0.2);
  metrics.responded(404, 0.1);
  metrics.rejected(RejectReason::kBody);
  DispatchObserver& queue = metrics.queue("echo");
  EXPECT_EQ(&queue, &metrics.queue("echo"));
  queue.queue_changed(5);
  queue.took(6, {0.001, 0.002});
  queue.ran(0.03);
  queue.refused("queue_full");
  metrics.model_loaded("echo", true);
  const std::string text = metrics.text();
  for (const char* line : {"tenfold_requests_total{code=\"200\"} 2",
                           "tenfold_requests_total{code=\"404\"} 1",
                           "tenfold_request_seconds_count 3",
                           "tenfold_request_seconds_bucket{le=\"0.00025\"} 1",
                           "tenfold_connections 2",
                           "tenfold_rejected_total{reason=\"body\"} 1",
                           "tenfold_rejected_total{reason=\"queue_full\"} 1",
                           "tenfold_queue_length{queue=\"echo\"} 5",
                           "tenfold_queue_seconds_count{queue=\"echo\"} 2",
                           "tenfold_batch_size_sum{queue=\"echo\"} 6",
                           "tenfold_predict_seconds_count{queue=\"echo\"} 1",
                           "tenfold_model_loaded{model=\"echo\"} 1",
                           "process_resident_memory_bytes ",
                           "process_cpu_seconds_total "})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_EQ(metrics.answered(), 3u);
}

// Each line is a comment, or a name with labels and a number (Prometheus text format 0.0.4).
TEST(Metrics, AreInThePrometheusFormat) {
  TestServer server;
  server.post(kInfer, echo_body({{1}}));
  server.get("/nothing");
  const test::HttpResponse response = server.get("/metrics");
  EXPECT_EQ(response.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const std::regex sample(R"(^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [-+0-9.eInf]+$)");
  std::istringstream lines(response.body);
  int samples = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.starts_with("# HELP ") || line.starts_with("# TYPE ")) continue;
    EXPECT_TRUE(std::regex_match(line, sample)) << line;
    ++samples;
  }
  EXPECT_GT(samples, 30);
  EXPECT_THAT(response.body, HasSubstr("tenfold_requests_total{code=\"200\"} 1"));
  EXPECT_THAT(response.body, HasSubstr("tenfold_requests_total{code=\"404\"} 1"));
}

}  // namespace
}  // namespace tenfold::serve
