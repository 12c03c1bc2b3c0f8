// SPDX-License-Identifier: Apache-2.0
// The bodies of the Open Inference Protocol v2: JSON to the rows of a predictor and back. Strict: every name, shape, type
// and value is checked before a model sees it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/serve/limits.h"
#include "tenfold/systems/predictor.h"

namespace tenfold::serve {

struct InferRequest {
  std::string id;                           // the client's; echoed
  std::vector<systems::PredictItem> items;  // one a row of the batch axis
  std::vector<std::size_t> outputs;         // indices into PredictorInfo::outputs, in the order asked for
  std::string group;              // equal for requests that may run in one batch: shapes and parameters
  std::optional<double> timeout;  // s, from parameters.timeout (microseconds, as other servers have it)
};

// Throws HttpError 413: "serve.batch_too_large", "json.too_large", "json.too_deep", "json.too_many_nodes"; Error(kData):
// the other codes of io/json.h, "infer.field" (unknown or missing, wrong kind), "infer.input" (name, twice, missing),
// "infer.datatype", "infer.shape", "infer.data" (count, nesting, a value that is no element), "infer.output";
// Error(kConfig): those of json_fields.h for parameters.
InferRequest parse_infer_request(std::string_view body,
                                 const systems::PredictorInfo& info,
                                 const Limits& limits);

// The response body. The answers must have no errors. Throws Error(kData, "predict.not_finite") for NaN and infinities,
// which JSON does not have.
std::string format_infer_response(const InferRequest& request,
                                  const systems::PredictorInfo& info,
                                  std::span<const systems::PredictAnswer> answers);

// GET /v2/models/<name>
std::string format_metadata(const systems::PredictorInfo& info);

}  // namespace tenfold::serve
