// SPDX-License-Identifier: Apache-2.0
// Backward pass of the convolution, example by example: gradient of the products, of the weights, of the input.
#include <algorithm>

#include "tenfold/systems/forward_gradient/fused_conv.h"

namespace tenfold::forward_gradient {
namespace {

using kernels::GemmTerm;
using kernels::kPanelColumns;

// Parts of the batch whose weight gradients are summed apart and then added in order: the sum does not depend on the threads.
constexpr std::size_t kChunks = 8;

}  // namespace

// Weights of the transposed map: from outputs to patches, with the taps of a direct convolution in reverse order.
void FusedConv::flip_weights() {
  const bool direct = geometry_.direct();
  const std::size_t taps = direct ? 9 : 1, inner = direct ? input().padded : weights_.steps();
  flipped_.grow(taps * columns() * kernels::padded_columns(inner));
  for (std::size_t q = 0; q < kernels::panel_count(inner); ++q) {
    const std::size_t to_width = kernels::panel_width(inner, q);
    float* panel = flipped_.data() + q * kPanelColumns * taps * columns();
    for (std::size_t tap = 0; tap < taps; ++tap) {
      for (std::size_t p = 0; p < weights_.panels(); ++p) {
        const std::size_t width = weights_.width(p);
        float* to = panel + ((taps - 1 - tap) * columns() + p * kPanelColumns) * to_width;
        kernels::transpose({weights_.panel(p) + (tap * inner + q * kPanelColumns) * width, stride_of(width)},
                           {to_width, width},
                           {to, stride_of(to_width)});
      }
    }
  }
}

// Undoes the pooling. A direct convolution needs a border of zeros around the gradient.
FusedConv::Gradient FusedConv::product_gradient(std::size_t image, float* out_gradient) {
  const std::size_t border = geometry_.direct() ? 1 : 0, row = (width_ + 2 * border) * columns();
  float* own = out_gradient + image * output().image_stride;
  if (!geometry_.pool && output().border == border) {
    clear_border(own);
    return {own, row};
  }
  float* scratch = gradient_scratch_.own();  // what is never written below stays zero
  float* inside = scratch + border * (row + columns());
  for (std::size_t y = 0; y < output().height; ++y) {
    const float* from = own + output().offset(y);
    if (geometry_.pool) {
      const std::uint8_t* winners = winners_.data() + image * output().features();
      kernels::unpool({from, winners + y * output().width * columns(), nullptr},
                      {output().width, columns()},
                      inside + 2 * y * row,
                      inside + (2 * y + 1) * row);
    } else {
      std::copy_n(from, row_numbers(), inside + y * row);
    }
  }
  return {scratch, row};
}

// weight_gradient: [weights, columns of the bias].
void FusedConv::backward_image(const Activations& in,
                               std::size_t image,
                               const Gradient& gradient,
                               float* weight_gradient) {
  const bool direct = geometry_.direct();
  const float* inside = gradient.data + (direct ? gradient.row + columns() : 0);
  float* bias = weight_gradient + weights_.size();
  for (std::size_t y = 0; y < height_; ++y) {
    kernels::add_column_sums({inside + y * gradient.row, stride_of(columns())}, {width_, columns()}, bias);
  }
  GemmTerm term{.row_stride = 1, .b_step = stride_of(columns())};
  std::size_t parts = 1, rows = weights_.steps();
  if (direct) {
    parts = 3;  // rows of the kernel
    rows = 3 * input().padded;
    term.step_stride = stride_of(input().padded);
    term.segment_stride = stride_of(input().row_numbers());
    term.steps = width_;
    term.segments = height_;
    term.b_segment = stride_of(gradient.row);
    term.a = in.example(image);
  } else {
    float* patches = patch_scratch_.own();
    unfold(in.example(image), patches);
    term.step_stride = stride_of(weights_.steps());
    term.steps = height_ * width_;
    term.a = patches;
  }
  for (std::size_t part = 0; part < parts; ++part) {
    for (std::size_t p = 0; p < weights_.panels(); ++p) {
      const std::size_t width = weights_.width(p);
      GemmTerm own = term;
      own.a = static_cast<const float*>(term.a) + part * input().row_numbers();
      own.b = inside + p * kPanelColumns;
      kernels::gemm({&own, 1},
                    rows,
                    width,
                    {.c = weight_gradient + weights_.panel_offset(p) + part * rows * width,
                     .row_stride = stride_of(width),
                     .add = true});
    }
  }
}

void FusedConv::input_gradient(const BackwardPass& pass,
                               const Activations& in,
                               std::size_t image,
                               const Gradient& gradient,
                               float* in_gradient) {
  const ActivationShape& shape = input();
  float* to = in_gradient + image * shape.image_stride;
  const bool direct = geometry_.direct();
  if (!direct) {
    float* patches = patch_scratch_.own();
    const GemmTerm term{
        .a = gradient.data, .row_stride = stride_of(columns()), .b = flipped_.data(), .steps = columns()};
    kernels::gemm({&term, 1},
                  height_ * width_,
                  weights_.steps(),
                  {.c = patches, .row_stride = stride_of(weights_.steps())});
    fold(patches, to);
  }
  float* products = row_scratch_.own();
  for (std::size_t y = 0; y < shape.height; ++y) {
    float* row = to + shape.offset(y);
    if (direct) {
      const GemmTerm term{.a = gradient.data + y * gradient.row,
                          .row_stride = stride_of(columns()),
                          .segment_stride = stride_of(gradient.row),
                          .b = flipped_.data(),
                          .steps = 3 * columns(),
                          .segments = 3};
      kernels::gemm(
          {&term, 1}, shape.width, shape.padded, {.c = products, .row_stride = stride_of(shape.padded)});
    }
    const float* values = in.example(image) + shape.offset(y);
    const std::ptrdiff_t stride = stride_of(shape.padded);
    kernels::finish_tangents({direct ? products : row, stride},
                             nullptr,
                             {pass.mask_input ? values : nullptr, stride},
                             {shape.width, shape.padded},
                             {.data = row, .stride = stride});
  }
}

// Adds rows of patches to the places they were read from.
void FusedConv::fold(const float* patches, float* image) const {
  const ActivationShape& in = input();
  std::fill_n(image, in.image_stride, 0.0f);
  for (std::size_t y = 0; y < height_; ++y) {
    for (std::size_t x = 0; x < width_; ++x) {
      for (std::size_t ky = 0; ky < geometry_.kernel_height; ++ky) {
        for (std::size_t kx = 0; kx < geometry_.kernel_width; ++kx, patches += in.padded) {
          // Below zero it wraps to a large number.
          const std::size_t row = y * geometry_.stride_y + ky * geometry_.dilation_y - geometry_.padding_y;
          const std::size_t column = x * geometry_.stride_x + kx * geometry_.dilation_x - geometry_.padding_x;
          if (row >= in.height || column >= in.width) continue;
          float* to = image + in.offset(row) + column * in.padded;
          for (std::size_t c = 0; c < in.padded; ++c) to[c] += patches[c];
        }
      }
    }
  }
}

void FusedConv::backward(const BackwardPass& pass,
                         const Activations& in,
                         float* out_gradient,
                         float* in_gradient) {
  if (in_gradient != nullptr) flip_weights();
  const std::size_t size = weights_.size() + columns();
  const std::size_t chunk = (pass.batch + kChunks - 1) / kChunks;
  const std::size_t chunks = chunk == 0 ? 0 : (pass.batch + chunk - 1) / chunk;
  chunk_gradients_.grow(kChunks * size);
  row_scratch_.prepare(std::max(2 * row_numbers() + width_, input().width * input().padded));
  gradient_scratch_.prepare((height_ + 2) * (width_ + 2) * columns());
  if (!geometry_.direct()) patch_scratch_.prepare(2 * height_ * width_ * weights_.steps());
  parallel_each(chunks, [&](std::size_t i) {
    float* own = chunk_gradients_.data() + i * size;
    std::fill_n(own, size, 0.0f);
    for (std::size_t image = i * chunk; image < std::min(pass.batch, (i + 1) * chunk); ++image) {
      const Gradient gradient = product_gradient(image, out_gradient);
      backward_image(in, image, gradient, own);
      if (in_gradient != nullptr) input_gradient(pass, in, image, gradient, in_gradient);
    }
  });
  float* to = pass.to_gradient ? weights_.gradient() : weights_.data();
  float* bias = pass.to_gradient ? weights_.bias_gradient() : weights_.bias();
  for (std::size_t i = 0; i < chunks; ++i) {
    const float* own = chunk_gradients_.data() + i * size;
    kernels::narrow_rank1(&pass.alpha, own, {to, stride_of(weights_.size()), 1, weights_.size()});
    if (!parameters().bias.defined()) continue;
    kernels::narrow_rank1(&pass.alpha, own + weights_.size(), {bias, stride_of(columns()), 1, columns()});
  }
  pairs_stale_ = true;
}

}  // namespace tenfold::forward_gradient
