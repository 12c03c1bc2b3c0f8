// SPDX-License-Identifier: Apache-2.0
// One line or two a case, in the order of the rules of the format.
#include "tests/malformed/safetensors_cases.h"

namespace tenfold::io {
namespace {

// A header with one tensor entry written out.
std::string one(std::string_view entry) {
  return "{\"a\":" + std::string(entry) + "}";
}

// One F32 tensor [1] with a field replaced.
std::string with_dtype(std::string_view dtype) {
  return one(R"({"dtype":)" + std::string(dtype) + R"(,"shape":[1],"data_offsets":[0,4]})");
}
std::string with_shape(std::string_view shape) {
  return one(R"({"dtype":"F32","shape":)" + std::string(shape) + R"(,"data_offsets":[0,4]})");
}
std::string with_offsets(std::string_view offsets) {
  return one(R"({"dtype":"F32","shape":[1],"data_offsets":)" + std::string(offsets) + "}");
}

// Entries of U8 tensors: name:begin-end, shape [end - begin].
std::string entry(std::string_view name, int begin, int end) {
  return "\"" + std::string(name) + R"(":{"dtype":"U8","shape":[)" + std::to_string(end - begin) +
         R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}
std::string two(std::string_view first, std::string_view second) {
  return "{" + std::string(first) + "," + std::string(second) + "}";
}

const std::string& good() {
  static const std::string header = one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})");
  return header;
}

std::string file(std::string_view header, std::size_t data = 4) {
  return safetensors_file(header, data);
}

using Cases = std::vector<MalformedCase>;

Cases header_length_and_start() {
  return {
      // The length of the header.
      {"empty_file", "", "too_short"},
      {"one_byte", "\x02", "too_short"},
      {"seven_bytes", std::string(7, '\0'), "too_short"},
      {"length_one_past_end", length_bytes(3) + "{}", "header_past_end"},
      {"length_only", length_bytes(2), "header_past_end"},
      {"length_at_limit_of_tiny_file", length_bytes(100'000'000) + "{}", "header_past_end"},
      {"length_over_limit", length_bytes(100'000'001) + "{}", "header_too_long"},
      {"length_wraps_with_prefix", length_bytes(~std::uint64_t{0} - 7) + "{}", "header_too_long"},
      {"length_all_ones", length_bytes(~std::uint64_t{0}) + "{}", "header_too_long"},
      {"length_negative_as_signed", length_bytes(std::uint64_t{1} << 63) + "{}", "header_too_long"},
      // The first byte.
      {"length_zero", length_bytes(0), "header_start"},
      {"length_zero_with_data", length_bytes(0) + "{}", "header_start"},
      {"leading_space", file(" {}", 0), "header_start"},
      {"byte_order_mark", file("\xEF\xBB\xBF{}", 0), "header_start"},
      {"array_as_header", file("[]", 0), "header_start"},
      {"string_as_header", file("\"{}\"", 0), "header_start"},
      {"zip_archive", file(std::string("PK\x03\x04\0\0", 6), 0), "header_start"},
      {"pickle", file("\x80\x04}.", 0), "header_start"},
  };
}

Cases encoding_and_json() {
  return {
      // The encoding.
      {"latin1_name", file("{\"caf\xE9\":1}", 0), "header_utf8"},
      {"overlong_slash", file("{\"\xC0\xAF\":1}", 0), "header_utf8"},
      {"utf8_surrogate", file("{\"\xED\xA0\x80\":1}", 0), "header_utf8"},
      {"utf8_over_10ffff", file("{\"\xF4\x90\x80\x80\":1}", 0), "header_utf8"},
      {"utf8_cut", file("{\"\xE2\x82", 0), "header_utf8"},
      // JSON.
      {"brace_only", file("{", 0), "header_json"},
      {"no_closing_brace", file(good().substr(0, good().size() - 1)), "header_json"},
      {"trailing_comma", file("{" + entry("a", 0, 4) + ",}"), "header_json"},
      {"leading_comma", file("{," + entry("a", 0, 4) + "}"), "header_json"},
      {"missing_comma", file("{" + entry("a", 0, 2) + entry("b", 2, 4) + "}"), "header_json"},
      {"missing_colon", file("{\"a\"{}}", 0), "header_json"},
      {"missing_value", file("{\"a\":}", 0), "header_json"},
      {"unquoted_name", file("{a:{}}", 0), "header_json"},
      {"single_quotes", file("{'a':{}}", 0), "header_json"},
      {"comment", file("{/**/}", 0), "header_json"},
      {"unknown_escape", file(R"({"\x41":{}})", 0), "header_json"},
      {"half_surrogate_pair", file(R"({"\uD83D":{}})", 0), "header_json"},
      {"lone_low_surrogate", file(R"({"\uDE00":{}})", 0), "header_json"},
      {"short_unicode_escape", file(R"({"\u12":{}})", 0), "header_json"},
      {"line_break_in_name", file("{\"a\nb\":{}}", 0), "header_json"},
      {"nul_in_name", file(std::string("{\"a\0b\":{}}", 10), 0), "header_json"},
      {"nul_after_object", file(std::string("{}\0", 3), 0), "header_padding"},
      {"nul_inside_object", file(std::string("{\0}", 3), 0), "header_json"},
      {"unfinished_string", file("{\"a", 0), "header_json"},
      {"not_a_word", file(with_shape("[nan]")), "not_an_integer"},
      {"bare_plus", file(with_shape("[+1]")), "header_json"},
      {"shape_without_end", file(R"({"a":{"dtype":"F32","shape":[1)"), "header_json"},
  };
}

Cases padding_and_names() {
  return {
      // What follows the object.
      {"second_object", file(good() + "{}"), "header_padding"},
      {"letter_after_padding", file(good() + "   x"), "header_padding"},
      {"line_break_as_padding", file(good() + "\n"), "header_padding"},
      {"tab_as_padding", file(good() + "\t"), "header_padding"},
      // Names occur once.
      {"duplicate_name", file(two(entry("a", 0, 2), entry("a", 2, 4))), "duplicate_name"},
      {"duplicate_name_same_bytes", file(two(entry("a", 0, 0), entry("a", 0, 0)), 0), "duplicate_name"},
      {"duplicate_name_by_escape", file(two(entry("ab", 0, 2), entry(R"(a\u0062)", 2, 4))), "duplicate_name"},
      {"duplicate_name_by_two_escapes",
       file(two(entry(R"(\ud83d\ude00)", 0, 2), entry(R"(\uD83D\uDE00)", 2, 4))),
       "duplicate_name"},
      {"duplicate_metadata", file(R"({"__metadata__":{},"__metadata__":{}})", 0), "duplicate_name"},
      {"duplicate_metadata_by_escape",
       file(R"({"__metadata__":{},"__metadat\u0061__":{}})", 0),
       "duplicate_name"},
      {"duplicate_metadata_key", file(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "duplicate_metadata_key"},
      {"duplicate_metadata_key_by_escape",
       file(R"({"__metadata__":{"k\n":"1","\u006b\u000A":"2"}})", 0),
       "duplicate_metadata_key"},
      {"duplicate_dtype",
       file(one(R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})")),
       "duplicate_key"},
      {"duplicate_shape",
       file(one(R"({"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]})")),
       "duplicate_key"},
      {"duplicate_offsets",
       file(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]})")),
       "duplicate_key"},
      {"duplicate_dtype_by_escape",
       file(one(R"({"dtype":"F32","\u0064type":"F32","shape":[1],"data_offsets":[0,4]})")),
       "duplicate_key"},
  };
}

Cases metadata_and_tensors() {
  return {
      // Metadata maps strings to strings.
      {"metadata_array", file(R"({"__metadata__":[]})", 0), "metadata_not_object"},
      {"metadata_null", file(R"({"__metadata__":null})", 0), "metadata_not_object"},
      {"metadata_number", file(R"({"__metadata__":{"k":1}})", 0), "metadata_not_string"},
      {"metadata_nested", file(R"({"__metadata__":{"k":{"deep":"v"}}})", 0), "metadata_not_string"},
      {"metadata_true", file(R"({"__metadata__":{"k":true}})", 0), "metadata_not_string"},
      // A tensor is an object with exactly three keys.
      {"tensor_array", file(R"({"a":[]})", 0), "tensor_not_object"},
      {"tensor_number", file(R"({"a":1})", 0), "tensor_not_object"},
      {"tensor_null", file(R"({"a":null})", 0), "tensor_not_object"},
      {"deep_nesting", file("{\"a\":" + std::string(100'000, '[')), "tensor_not_object"},
      {"tensor_empty", file(one("{}"), 0), "missing_key"},
      {"no_dtype", file(one(R"({"shape":[1],"data_offsets":[0,4]})")), "missing_key"},
      {"no_shape", file(one(R"({"dtype":"F32","data_offsets":[0,4]})")), "missing_key"},
      {"no_offsets", file(one(R"({"dtype":"F32","shape":[1]})")), "missing_key"},
      {"extra_key", file(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":0})")), "unknown_key"},
      {"key_in_capitals", file(one(R"({"DType":"F32","shape":[1],"data_offsets":[0,4]})")), "unknown_key"},
  };
}

Cases dtype_and_shape() {
  return {
      // dtype.
      {"dtype_number", file(with_dtype("32")), "dtype_not_string"},
      {"dtype_unknown", file(with_dtype("\"F31\"")), "unknown_dtype"},
      {"dtype_lower_case", file(with_dtype("\"f32\"")), "unknown_dtype"},
      {"dtype_empty", file(with_dtype("\"\"")), "unknown_dtype"},
      {"dtype_with_space", file(with_dtype("\"F32 \"")), "unknown_dtype"},
      // shape.
      {"shape_number", file(with_shape("1")), "shape_not_array"},
      {"shape_string", file(with_shape("\"1\"")), "shape_not_array"},
      {"shape_null", file(with_shape("null")), "shape_not_array"},
      {"shape_nested", file(with_shape("[[1]]")), "not_an_integer"},
      {"shape_of_string", file(with_shape("[\"1\"]")), "not_an_integer"},
      {"shape_fraction", file(with_shape("[1.0]")), "not_an_integer"},
      {"shape_exponent", file(with_shape("[1e0]")), "not_an_integer"},
      {"shape_bad_fraction", file(with_shape("[1.]")), "header_json"},
      {"shape_bad_exponent", file(with_shape("[1e]")), "header_json"},
      {"shape_negative", file(with_shape("[-1]")), "negative_integer"},
      {"shape_negative_zero", file(with_shape("[-0]")), "negative_integer"},
      {"shape_leading_zero", file(with_shape("[01]")), "header_json"},
      {"shape_trailing_comma", file(with_shape("[1,]")), "header_json"},
      {"shape_two_to_64", file(with_shape("[18446744073709551616]")), "integer_too_large"},
      {"shape_hundred_digits", file(with_shape("[" + std::string(100, '9') + "]")), "integer_too_large"},
      {"shape_rank_9", file(with_shape("[1,1,1,1,1,1,1,1,1]")), "rank"},
      {"shape_product_wraps_to_one", file(with_shape("[4294967297,4294967297]")), "shape_overflow"},
      {"shape_product_wraps_to_zero", file(with_shape("[4294967296,4294967296]")), "shape_overflow"},
      {"shape_bytes_wrap", file(with_shape("[4611686018427387905]")), "shape_overflow"},
  };
}

Cases offsets_and_ranges() {
  return {
      // data_offsets.
      {"offsets_number", file(with_offsets("4")), "offsets_not_pair"},
      {"offsets_object", file(with_offsets("{}")), "offsets_not_pair"},
      {"offsets_empty", file(with_offsets("[]")), "offsets_not_pair"},
      {"offsets_one", file(with_offsets("[4]")), "offsets_not_pair"},
      {"offsets_three", file(with_offsets("[0,4,8]")), "offsets_not_pair"},
      {"offsets_fraction", file(with_offsets("[0.5,4]")), "not_an_integer"},
      {"offsets_negative", file(with_offsets("[-4,0]")), "negative_integer"},
      {"offsets_two_to_64", file(with_offsets("[0,18446744073709551616]")), "integer_too_large"},
      {"offsets_reversed", file(with_offsets("[4,0]")), "offsets_reversed"},
      {"offsets_past_end", file(with_offsets("[0,8]")), "offsets_past_end"},
      {"offsets_far_past_end",
       file(with_offsets("[18446744073709551612,18446744073709551615]")),
       "offsets_past_end"},
      {"data_cut_short", file(good(), 3), "offsets_past_end"},
      {"no_data", file(good(), 0), "offsets_past_end"},
      // Shape and range agree.
      {"range_too_small", file(with_shape("[2]")), "size_mismatch"},
      {"range_too_large", file(with_shape("[0]")), "size_mismatch"},
      {"scalar_with_two", file(one(R"({"dtype":"U8","shape":[],"data_offsets":[0,4]})")), "size_mismatch"},
      {"wide_dtype_in_narrow_range", file(with_dtype("\"F64\"")), "size_mismatch"},
      // Ranges cover the buffer once.
      {"hole_at_front", file("{" + entry("a", 1, 4) + "}"), "hole"},
      {"hole_in_middle", file(two(entry("a", 0, 1), entry("b", 2, 4))), "hole"},
      {"overlap_by_one", file(two(entry("a", 0, 3), entry("b", 2, 4))), "overlap"},
      {"overlap_same_range", file(two(entry("a", 0, 4), entry("b", 0, 4))), "overlap"},
      {"overlap_contained", file(two(entry("a", 0, 4), entry("b", 1, 2))), "overlap"},
      {"overlap_empty_inside", file(two(entry("a", 0, 4), entry("b", 2, 2))), "overlap"},
      {"trailing_byte", file(good(), 5), "trailing_bytes"},
      {"bytes_without_tensors", file("{}", 1), "trailing_bytes"},
      {"polyglot_archive_at_end", file(good(), 4) + std::string("PK\x05\x06", 4), "trailing_bytes"},
      {"empty_tensor_past_all", file(two(entry("a", 0, 2), entry("b", 4, 4))), "hole"},
  };
}

}  // namespace

std::vector<MalformedCase> malformed_safetensors() {
  Cases all;
  for (const auto& cases : {header_length_and_start(),
                            encoding_and_json(),
                            padding_and_names(),
                            metadata_and_tensors(),
                            dtype_and_shape(),
                            offsets_and_ranges()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

}  // namespace tenfold::io
