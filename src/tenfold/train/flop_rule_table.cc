// SPDX-License-Identifier: Apache-2.0
// The table of operators: name to rule.
#include <algorithm>
#include <initializer_list>
#include <unordered_map>
#include <utility>

#include "tenfold/train/flop_rules.h"

namespace tenfold::train {
namespace {

using Table = std::unordered_map<std::string_view, OperatorRule>;

// Gives one rule to all names of a list separated by blanks. The text must outlive the table.
void add_all(Table& table, std::string_view names, const OperatorRule& rule) {
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(' '), names.size());
    if (end > 0) table.emplace(names.substr(0, end), rule);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
}

void add_matrix_rules(Table& table) {
  using K = RuleKind;
  const std::initializer_list<std::pair<std::string_view, OperatorRule>> rules = {
      {"mm", {K::kMm, 0}},
      {"_int_mm", {K::kMm, 0}},
      {"_scaled_mm", {K::kMm, 0}},
      {"addmm", {K::kMm, 1}},
      {"_addmm_activation", {K::kMm, 1}},
      {"bmm", {K::kBmm, 0}},
      {"baddbmm", {K::kBmm, 1}},
      {"addbmm", {K::kAddbmm, 1}},
      {"mv", {K::kMv, 0}},
      {"addmv", {K::kMv, 1}},
      {"dot", {K::kDot, 0}},
      {"vdot", {K::kDot, 0}},
      {"ger", {K::kOuter, 0}},
      {"addr", {K::kOuter, 1}},
      {"mkldnn_linear", {K::kLinear, 0}},
      {"convolution", {K::kConvolution, 0}},
      {"_convolution", {K::kConvolution, 0}},
      {"convolution_overrideable", {K::kConvolution, 0}},
      {"mkldnn_convolution", {K::kConvolutionMkldnn, 0}},
      {"convolution_backward", {K::kConvolutionBackward, 0}},
      {"convolution_backward_overrideable", {K::kConvolutionBackward, 0}},
      {"mkldnn_rnn_layer", {K::kRnnLayer, 0}},
      {"mkldnn_rnn_layer_backward", {K::kRnnLayerBackward, 0}},
      {"_fft_c2c", {K::kFftComplex, 0}},
      {"_fft_r2c", {K::kFftRealToComplex, 0}},
      {"_fft_c2r", {K::kFftComplexToReal, 0}},
      {"_scaled_dot_product_flash_attention", {K::kAttention, 0}},
      {"_scaled_dot_product_flash_attention_for_cpu", {K::kAttention, 0}},
      {"_scaled_dot_product_efficient_attention", {K::kAttention, 0}},
      {"_scaled_dot_product_cudnn_attention", {K::kAttention, 0}},
      {"_scaled_dot_product_flash_attention_backward", {K::kAttentionBackward, 1}},
      {"_scaled_dot_product_flash_attention_for_cpu_backward", {K::kAttentionBackward, 1}},
      {"_scaled_dot_product_efficient_attention_backward", {K::kAttentionBackward, 1}},
      {"_scaled_dot_product_cudnn_attention_backward", {K::kAttentionBackward, 1}},
  };
  for (const auto& [name, rule] : rules) table.emplace(name, rule);
}

// 1 FLOP an arithmetic operation, 5 an exponential, logarithm or trigonometric function.
void add_elementwise_rules(Table& table) {
  auto add = [&table](std::uint8_t cost, std::string_view names) {
    add_all(table, names, {RuleKind::kElementwise, 0, cost});
  };
  add_all(table, "add sub rsub", {RuleKind::kAddScaled});
  add(1,
      "mul multiply div divide true_divide neg abs relu relu6 clamp clamp_min clamp_max hardtanh "
      "threshold maximum minimum fmod remainder sqrt rsqrt reciprocal square sum mean cumsum "
      "cumprod prod nansum index_add scatter_add threshold_backward hardtanh_backward avg_pool1d "
      "avg_pool2d avg_pool3d avg_pool2d_backward avg_pool3d_backward adaptive_avg_pool1d "
      "adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d "
      "_adaptive_avg_pool2d_backward _adaptive_avg_pool3d_backward embedding_dense_backward "
      "leaky_relu leaky_relu_backward prelu hardswish hardsigmoid");
  add(2,
      "native_dropout dropout norm linalg_vector_norm l1_loss prelu_backward _prelu_kernel "
      "_prelu_kernel_backward native_dropout_backward hardswish_backward");
  add(3,
      "addcmul addcdiv lerp mse_loss mse_loss_backward tanh_backward sigmoid_backward "
      "smooth_l1_loss smooth_l1_loss_backward huber_loss huber_loss_backward var std var_mean "
      "std_mean");
  add(4, "_softmax_backward_data nll_loss cosine_similarity pairwise_distance");
  add(5,
      "exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh erf "
      "erfc pow lgamma digamma polar logaddexp");
  add(6, "elu celu selu elu_backward glu_backward_jvp logsumexp");
  add(8,
      "sigmoid log_sigmoid_forward log_sigmoid_backward softplus softplus_backward layer_norm "
      "native_layer_norm native_batch_norm _native_batch_norm_legit "
      "_native_batch_norm_legit_functional _batch_norm_with_update batch_norm mkldnn_batch_norm "
      "native_group_norm group_norm instance_norm _log_softmax_backward_data rms_norm");
  add(9, "softmax _softmax log_softmax _log_softmax gelu silu mish glu glu_backward kl_div logit");
  add(12, "binary_cross_entropy binary_cross_entropy_with_logits binary_cross_entropy_backward");
  add(14, "gelu_backward silu_backward mish_backward");
  add(16,
      "native_layer_norm_backward native_batch_norm_backward batch_norm_backward "
      "native_group_norm_backward");
  add(20,
      "grid_sampler grid_sampler_2d grid_sampler_3d grid_sampler_2d_backward "
      "grid_sampler_3d_backward _thnn_fused_lstm_cell upsample_bilinear2d upsample_bicubic2d");
}

// Movement, creation and comparison: the most frequent ones, and all that may carry two or more matrices. Composites
// (linear, matmul, einsum, lstm) are left out on purpose: they have no rule, and would be reported if a version of
// LibTorch ran one as a single kernel.
void add_ignored_rules(Table& table) {
  add_all(table,
          "t transpose as_strided view reshape _reshape_alias expand select slice narrow unsqueeze "
          "squeeze permute contiguous clone empty empty_like empty_strided zeros zeros_like ones "
          "ones_like full full_like fill zero resize detach cat stack split split_with_sizes "
          "unsafe_split chunk unsafe_chunk unbind flatten unflatten alias _unsafe_view resolve_conj "
          "resolve_neg to _to_copy item _local_scalar_dense embedding index index_select triu tril "
          "arange rand randn randint random normal uniform bernoulli flip roll repeat pad "
          "constant_pad_nd select_backward slice_backward index_backward max_pool2d "
          "max_pool2d_with_indices mkldnn_max_pool2d cudnn_is_acceptable copy set resize_as expand_as "
          "view_as reshape_as type_as where _s_where masked_fill masked_scatter masked_select "
          "index_put _index_put_impl index_copy index_fill scatter gather eq ne lt le gt ge "
          "logical_and logical_or logical_xor equal isclose allclose is_same_size is_set_to copysign "
          "max min fmax fmin max_pool1d_with_indices_backward max_pool2d_with_indices_backward "
          "max_pool3d_with_indices_backward adaptive_max_pool2d_backward adaptive_max_pool3d_backward "
          "max_pool2d_backward mkldnn_max_pool2d_backward result_type can_cast _make_dual "
          "_has_same_storage_numel take_along_dim slice_scatter select_scatter diagonal_scatter "
          "as_strided_scatter _fw_primal searchsorted bucketize swapaxes _reshape_copy",
          {RuleKind::kIgnored});
}

const Table& rule_table() {
  static const Table table = [] {
    Table t;
    add_matrix_rules(t);
    add_elementwise_rules(t);
    add_ignored_rules(t);
    return t;
  }();
  return table;
}

bool starts_with_any(std::string_view name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [name](auto p) { return name.starts_with(p); });
}

}  // namespace

OperatorRule find_operator_rule(std::string_view name) {
  constexpr std::string_view kLibrary = "aten::";
  if (!name.starts_with(kLibrary)) {
    const bool packed = starts_with_any(name,
                                        {"quantized::linear",
                                         "quantized::conv",
                                         "mkldnn::",
                                         "mkldnn_prepacked::",
                                         "prepacked::",
                                         "_quantized::",
                                         "sparse::"});
    return {packed ? RuleKind::kUnknownMatrix : RuleKind::kUnknown};
  }
  name.remove_prefix(kLibrary.size());
  const Table& table = rule_table();
  auto found = table.find(name);
  if (found == table.end() && name.ends_with('_')) found = table.find(name.substr(0, name.size() - 1));
  if (found != table.end()) return found->second;
  const bool linear_algebra = starts_with_any(name,
                                              {"linalg_",
                                               "_linalg_",
                                               "cholesky",
                                               "_cholesky",
                                               "inverse",
                                               "lu_",
                                               "_lu_",
                                               "qr",
                                               "svd",
                                               "_svd",
                                               "geqrf",
                                               "orgqr",
                                               "ormqr",
                                               "triangular_solve",
                                               "lstsq",
                                               "symeig",
                                               "_symeig",
                                               "logdet",
                                               "slogdet",
                                               "matrix_exp",
                                               "_transformer_encoder_layer_fwd",
                                               "_native_multi_head_attention",
                                               "_pdist_forward"});
  return {linear_algebra ? RuleKind::kUnknownMatrix : RuleKind::kUnknown};
}

}  // namespace tenfold::train
