// SPDX-License-Identifier: Apache-2.0
// Bodies of the Open Inference Protocol: what is accepted has the shapes that the model states, and can be answered.
#include <limits>
#include <nlohmann/json.hpp>

#include "fuzz/harness.h"
#include "tenfold/serve/tensor_json.h"

using namespace tenfold;  // NOLINT: a harness is one file
using fuzz::require;
using systems::TensorType;

namespace {

struct FuzzParameters {
  std::int64_t times = 1;
  std::string mode = "a";
  void visit_fields(auto&& field) {
    field("times", times, {.help = "factor", .min = 1, .max = 10});
    field("mode", mode, {.help = "a mode", .choices = {"a", "b"}});
  }
};

systems::PredictorInfo make_info(TensorType type) {
  systems::PredictorInfo info;
  info.name = "m";
  info.inputs = {{"x", type, {-1}, ""}, {"mask", TensorType::kBool, {2, -1}, ""}};
  info.outputs = {{"y", type, {-1}, ""}, {"z", TensorType::kBool, {2, -1}, ""}};
  info.parameters = systems::parameters_of<FuzzParameters>();
  return info;
}

void check_answer(const serve::InferRequest& request, const systems::PredictorInfo& info) {
  std::vector<systems::PredictAnswer> answers;
  for (const systems::PredictItem& item : request.items) {
    systems::check_item(info, item);
    answers.push_back({item.inputs, std::nullopt});
  }
  const std::string text = serve::format_infer_response(request, info, answers);
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  require(parsed.is_object(), "an answer is JSON");
  require(parsed["outputs"].size() == request.outputs.size(),
          "an answer has the outputs that were asked for");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const systems::PredictorInfo infos[] = {make_info(TensorType::kFp32),
                                                 make_info(TensorType::kInt8),
                                                 make_info(TensorType::kUint64),
                                                 make_info(TensorType::kBytes)};
  const systems::PredictorInfo& info = infos[data[0] % std::size(infos)];
  serve::Limits limits;
  limits.json_bytes = 8192;
  serve::InferRequest request;
  if (!fuzz::accepts(
          [&] { request = serve::parse_infer_request(fuzz::as_text(data + 1, size - 1), info, limits); }))
    return 0;
  require(!request.items.empty() && request.items.size() <= 16, "a request has 1 to 16 rows");
  require(!request.timeout || *request.timeout > 0, "a timeout lies ahead");
  require(fuzz::accepts([&] { check_answer(request, info); }), "what is accepted can be answered");
  return 0;
}
