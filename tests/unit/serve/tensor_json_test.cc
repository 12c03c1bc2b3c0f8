// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/tensor_json.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/unit/serve/serve_test_util.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;
using systems::PredictAnswer;
using systems::PredictorInfo;
using systems::Tensor;
using systems::TensorType;
using testing::ElementsAre;

PredictorInfo info_of(TensorType type, std::vector<std::int64_t> shape) {
  PredictorInfo info;
  info.name = "m";
  info.platform = "test";
  info.inputs = {{"x", type, std::move(shape), ""}};
  info.outputs = {{"y", type, {}, ""}, {"z", type, {}, ""}};
  return info;
}

std::string body_of(const std::string& datatype, const std::string& shape, const std::string& data) {
  return fmt::format(
      R"({{"inputs":[{{"name":"x","datatype":"{}","shape":{},"data":{}}}]}})", datatype, shape, data);
}

// "accepted", or the code of the refusal.
std::string code_of(const std::string& body, const PredictorInfo& info, const Limits& limits = {}) {
  try {
    parse_infer_request(body, info, limits);
    return "accepted";
  } catch (const Error& error) {
    EXPECT_NE(error.error_class(), ErrorClass::kInternal) << body;
    return error.code();
  }
}

template <typename T>
std::vector<T> first_row(const std::string& body, const PredictorInfo& info) {
  const InferRequest request = parse_infer_request(body, info, {});
  const std::span<const T> values = request.items.at(0).inputs.at(0).values<T>();
  return {values.begin(), values.end()};
}

TEST(TensorJson, SplitsTheBatchIntoRows) {
  const PredictorInfo info = info_of(TensorType::kInt32, {2, 2});
  for (const char* data : {"[1,2,3,4,5,6,7,8]", "[[[1,2],[3,4]],[[5,6],[7,8]]]"}) {
    const InferRequest request = parse_infer_request(body_of("INT32", "[2,2,2]", data), info, {});
    ASSERT_EQ(request.items.size(), 2u);
    const Tensor& second = request.items[1].inputs.at(0);
    EXPECT_THAT(second.shape, ElementsAre(2, 2));
    EXPECT_THAT(second.values<std::int32_t>(), ElementsAre(5, 6, 7, 8));
  }
}

// Smallest and largest value of each integer type, and the two just beyond them.
TEST(TensorJson, TakesTheWholeRangeOfEachIntegerTypeAndNoMore) {
  struct Case {
    TensorType type;
    const char *lowest, *highest, *below, *above;
  };
  const Case cases[] = {{TensorType::kInt8, "-128", "127", "-129", "128"},
                        {TensorType::kInt16, "-32768", "32767", "-32769", "32768"},
                        {TensorType::kInt32, "-2147483648", "2147483647", "-2147483649", "2147483648"},
                        {TensorType::kInt64,
                         "-9223372036854775808",
                         "9223372036854775807",
                         "-9223372036854775809",
                         "9223372036854775808"},
                        {TensorType::kUint8, "0", "255", "-1", "256"},
                        {TensorType::kUint16, "0", "65535", "-1", "65536"},
                        {TensorType::kUint32, "0", "4294967295", "-1", "4294967296"},
                        {TensorType::kUint64, "0", "18446744073709551615", "-1", "18446744073709551616"}};
  for (const Case& each : cases) {
    const std::string name(to_string(each.type));
    const PredictorInfo info = info_of(each.type, {});
    const auto code = [&](const std::string& value) {
      return code_of(body_of(name, "[1]", "[" + value + "]"), info);
    };
    EXPECT_EQ(code(each.lowest), "accepted") << name;
    EXPECT_EQ(code(each.highest), "accepted") << name;
    EXPECT_EQ(code(each.below), "infer.data") << name;
    EXPECT_EQ(code(each.above), "infer.data") << name;
    for (const char* wrong : {"1.5", "1e2", "true", "\"1\"", "null", "[1]", "{}"})
      EXPECT_EQ(code(wrong), "infer.data") << name << " " << wrong;
  }
}

TEST(TensorJson, StoresTheValueItRead) {
  EXPECT_THAT(first_row<std::int64_t>(body_of("INT64", "[1]", "[-9223372036854775808]"),
                                      info_of(TensorType::kInt64, {})),
              ElementsAre(std::numeric_limits<std::int64_t>::min()));
  EXPECT_THAT(first_row<std::uint64_t>(body_of("UINT64", "[1]", "[18446744073709551615]"),
                                       info_of(TensorType::kUint64, {})),
              ElementsAre(std::numeric_limits<std::uint64_t>::max()));
  EXPECT_THAT(
      first_row<std::uint8_t>(body_of("BOOL", "[1,2]", "[true,false]"), info_of(TensorType::kBool, {2})),
      ElementsAre(1, 0));
  EXPECT_THAT(first_row<double>(body_of("FP64", "[1,3]", "[0.1,-0.0,7]"), info_of(TensorType::kFp64, {-1})),
              ElementsAre(0.1, 0.0, 7.0));
  const InferRequest texts = parse_infer_request(
      body_of("BYTES", "[1,2]", R"(["ä","\u0000"])"), info_of(TensorType::kBytes, {2}), {});
  EXPECT_THAT(texts.items[0].inputs[0].texts, ElementsAre("ä", std::string(1, '\0')));
}

TEST(TensorJson, FloatsMustBeFiniteInTheirType) {
  const PredictorInfo info = info_of(TensorType::kFp32, {});
  const auto code = [&](const std::string& value) {
    return code_of(body_of("FP32", "[1]", "[" + value + "]"), info);
  };
  EXPECT_EQ(code("3.4028234e38"), "accepted");
  EXPECT_EQ(code("3.5e38"), "infer.data");
  EXPECT_EQ(code("-1e300"), "infer.data");
  for (const char* wrong : {"NaN", "Infinity", "-Infinity", "nan", "1e999", "0x1", "01", "+1", ".5"})
    EXPECT_TRUE(code(wrong).starts_with("json.")) << wrong << " " << code(wrong);
}

TEST(TensorJson, ChecksShapes) {
  const PredictorInfo info = info_of(TensorType::kFp32, {2, -1});
  const auto code = [&](const std::string& shape, const std::string& data = "[1,2]") {
    return code_of(body_of("FP32", shape, data), info);
  };
  EXPECT_EQ(code("[1,2,1]"), "accepted");
  for (const char* wrong : {"[1,2]",
                            "[1,2,1,1]",
                            "[]",
                            "2",
                            "[1,3,1]",
                            "[0,2,1]",
                            "[1,2,0]",
                            "[-1,2,1]",
                            "[1,2,\"1\"]",
                            "[1,2,1.5]",
                            "[1,2,4294967296]",
                            "[1,2,2147483647]",
                            "[16,2,2147483647]"})
    EXPECT_EQ(code(wrong), "infer.shape") << wrong;
  EXPECT_EQ(code("[17,2,1]"), "serve.batch_too_large");
  EXPECT_EQ(code("[1,2,1]", "[1]"), "infer.data");
  EXPECT_EQ(code("[1,2,1]", "[1,2,3]"), "infer.data");
  EXPECT_EQ(code("[1,2,1]", "[[[1,2]]]"), "infer.data");
  EXPECT_EQ(code("[1,2,1]", "[[[1],[2]],[[1],[2]]]"), "infer.data");
  EXPECT_EQ(code("[1,2,1]", "[[1,2]]"), "infer.data");
  EXPECT_EQ(code("[1,2,1]", "5"), "infer.data");
  EXPECT_EQ(code("[1,2,1]", "[[[1],[[2]]]]"), "infer.data");
}

TEST(TensorJson, ChecksTheFieldsOfTheProtocol) {
  const PredictorInfo info = info_of(TensorType::kFp32, {});
  const std::string input = R"({"name":"x","datatype":"FP32","shape":[1],"data":[1]})";
  const auto code = [&](const std::string& body) { return code_of(body, info); };
  EXPECT_EQ(code(R"({"inputs":[)" + input + "]}"), "accepted");
  EXPECT_EQ(code(R"([])"), "infer.field");
  EXPECT_EQ(code(R"({})"), "infer.field");
  EXPECT_EQ(code(R"({"inputs":[]})"), "infer.input");
  EXPECT_EQ(code(R"({"inputs":{}})"), "infer.input");
  EXPECT_EQ(code(R"({"inputs":[1]})"), "infer.field");
  EXPECT_EQ(code(R"({"inputs":[)" + input + "," + input + "]}"), "infer.input");
  EXPECT_EQ(code(R"({"inputs":[)" + input + R"(],"extra":1})"), "infer.field");
  EXPECT_EQ(code(R"({"inputs":[)" + input + R"(],"id":7})"), "infer.field");
  EXPECT_EQ(code(R"({"inputs":[)" + input + R"(],"id":")" + std::string(257, 'i') + "\"}"), "infer.field");
  EXPECT_EQ(code(R"({"inputs":[{"name":"w","datatype":"FP32","shape":[1],"data":[1]}]})"), "infer.input");
  EXPECT_EQ(code(R"({"inputs":[{"name":"x","datatype":"FP16","shape":[1],"data":[1]}]})"), "infer.datatype");
  EXPECT_EQ(code(R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1]}]})"), "infer.field");
  EXPECT_EQ(code(R"({"inputs":[{"name":"x","datatype":32,"shape":[1],"data":[1]}]})"), "infer.field");
  EXPECT_EQ(code(R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1],"b64":1}]})"),
            "infer.field");
}

TEST(TensorJson, GivesTheOutputsThatWereAskedFor) {
  const PredictorInfo info = info_of(TensorType::kFp32, {});
  const std::string start = R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"outputs":)";
  EXPECT_THAT(parse_infer_request(start + R"([{"name":"z"},{"name":"y"}]})", info, {}).outputs,
              ElementsAre(1, 0));
  for (const char* wrong : {"[]",
                            "{}",
                            R"([{"name":"q"}])",
                            R"([{"name":"y"},{"name":"y"}])",
                            "[1]",
                            R"([{"name":"y"},{"name":"z"},{"name":"z"}])"})
    EXPECT_EQ(code_of(start + wrong + "}", info), "infer.output") << wrong;
  EXPECT_EQ(code_of(start + R"([{"name":"y","x":1}]})", info), "infer.field");
  EXPECT_EQ(code_of(start + R"([{"name":1}]})", info), "infer.field");
}

TEST(TensorJson, GroupsByShapeAndParameters) {
  const EchoPredictor echo;
  const auto group = [&](const std::string& body) {
    return parse_infer_request(body, echo.info(), {}).group;
  };
  EXPECT_EQ(group(echo_body({{1, 2}})), group(echo_body({{3, 4}, {5, 6}})));
  EXPECT_NE(group(echo_body({{1, 2}})), group(echo_body({{1, 2, 3}})));
  EXPECT_NE(group(echo_body({{1, 2}})), group(echo_body({{1, 2}}, R"(,"parameters":{"times":2})")));
}

TEST(TensorJson, ChecksParameters) {
  const EchoPredictor echo;
  const auto code = [&](const std::string& parameters) {
    return code_of(echo_body({{1}}, ",\"parameters\":" + parameters), echo.info());
  };
  EXPECT_EQ(code(R"({"times":2,"timeout":5000})"), "accepted");
  EXPECT_EQ(code(R"({"times":11})"), "config.out_of_range");
  EXPECT_EQ(code(R"({"times":"2"})"), "config.bad_value");
  EXPECT_EQ(code(R"({"tmes":2})"), "config.unknown_key");
  EXPECT_EQ(code("[]"), "infer.field");
  EXPECT_EQ(code(R"({"timeout":0})"), "infer.field");
  EXPECT_EQ(code(R"({"timeout":"1"})"), "infer.field");
  EXPECT_EQ(code_of(body_of("FP32", "[1]", "[1]").insert(1, R"("parameters":{"a":1},)"),
                    info_of(TensorType::kFp32, {})),
            "infer.field");
}

TEST(TensorJson, StaysWithinTheLimits) {
  const EchoPredictor echo;
  Limits limits;
  limits.json_bytes = 1024;
  EXPECT_EQ(code_of(std::string(2000, ' '), echo.info(), limits), "json.too_large");
  EXPECT_EQ(code_of(std::string(40, '['), echo.info(), {}), "json.too_deep");
  EXPECT_EQ(code_of(body_of("FP32", "[1,1]", "[" + std::string(400, '[') + "1]"), echo.info()),
            "json.too_deep");
}

template <typename T>
std::string answered(TensorType type, const std::vector<T>& values) {
  PredictorInfo info = info_of(type, {});
  InferRequest request;
  request.outputs = {0};
  PredictAnswer answer;
  answer.outputs = {
      Tensor::of<T>("y", {static_cast<std::int64_t>(values.size())}, std::span<const T>(values))};
  const std::vector<PredictAnswer> answers(1, answer);
  return json::parse(format_infer_response(request, info, answers))["outputs"][0]["data"].dump();
}

TEST(TensorJson, WritesEveryType) {
  EXPECT_EQ(answered<std::int8_t>(TensorType::kInt8, {-128, 127}), "[-128,127]");
  EXPECT_EQ(answered<std::uint8_t>(TensorType::kUint8, {255}), "[255]");
  EXPECT_EQ(answered<std::int16_t>(TensorType::kInt16, {-2}), "[-2]");
  EXPECT_EQ(answered<std::uint16_t>(TensorType::kUint16, {65535}), "[65535]");
  EXPECT_EQ(answered<std::int32_t>(TensorType::kInt32, {-2}), "[-2]");
  EXPECT_EQ(answered<std::uint32_t>(TensorType::kUint32, {4294967295U}), "[4294967295]");
  EXPECT_EQ(answered<std::int64_t>(TensorType::kInt64, {std::numeric_limits<std::int64_t>::min()}),
            "[-9223372036854775808]");
  EXPECT_EQ(answered<std::uint64_t>(TensorType::kUint64, {std::numeric_limits<std::uint64_t>::max()}),
            "[18446744073709551615]");
  EXPECT_EQ(answered<double>(TensorType::kFp64, {0.1}), "[0.1]");
  EXPECT_EQ(answered<float>(TensorType::kFp32, {}), "[]");
}

TEST(TensorJson, FloatsComeBackToTheBit) {
  const std::vector<float> values = {0.1F, 1e-45F, 3.4028235e38F, -0.0F, 16777217.0F, 1.0F / 3.0F};
  const json read = json::parse(answered<float>(TensorType::kFp32, values));
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(read[i].get<float>(), values[i]);
}

TEST(TensorJson, WritesBoolsAndTexts) {
  PredictorInfo info = info_of(TensorType::kBool, {});
  InferRequest request;
  request.outputs = {0, 1};
  request.id = "a\"b";
  PredictAnswer answer;
  answer.outputs = {Tensor::zeros("y", TensorType::kBool, {2}),
                    Tensor::of_texts("z", {1}, {"</script>\n\xff"})};
  answer.outputs[0].values<std::uint8_t>()[1] = 1;
  const std::vector<PredictAnswer> answers(2, answer);
  const json body = json::parse(format_infer_response(request, info, answers));
  EXPECT_EQ(body["id"], "a\"b");
  EXPECT_EQ(body["outputs"][0]["data"], json({false, true, false, true}));
  EXPECT_EQ(body["outputs"][0]["shape"], json({2, 2}));
  EXPECT_EQ(body["outputs"][1]["data"][0], "</script>\n\xef\xbf\xbd") << "what is no UTF-8 is replaced";
}

TEST(TensorJson, RefusesToWriteWhatIsNotFinite) {
  for (float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    try {
      answered<float>(TensorType::kFp32, {1.0F, value});
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "predict.not_finite");
    }
  }
}

}  // namespace
}  // namespace tenfold::serve
