// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/ranks.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/train/communicator.h"

namespace tenfold::train {
namespace {

// An error in flight: class, then four texts after their code, each ended by a zero byte.
std::string pack(const Error& error) {
  std::string bytes = "!";
  bytes += static_cast<char>(error.exit_code());
  const ErrorText& text = error.text();
  for (const std::string* part : {&error.code(), &text.what, &text.seen, &text.wanted, &text.remedy}) {
    bytes += std::string(part->c_str()) + '\0';
  }
  return bytes;
}

Error unpack(const std::string& bytes) {
  std::array<std::string, 5> parts;
  std::size_t at = 2;
  for (std::string& part : parts) {
    part = bytes.c_str() + at;
    at += part.size() + 1;
  }
  return Error(static_cast<ErrorClass>(bytes[1]),
               parts[0],
               {.what = parts[1], .seen = parts[2], .wanted = parts[3], .remedy = parts[4]});
}

torch::Tensor view_of(std::span<double> values) {
  return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, torch::kFloat64);
}

}  // namespace

int Ranks::rank() const {
  return communicator_ == nullptr ? 0 : communicator_->rank();
}
std::uint64_t Ranks::bytes_sent() const {
  return communicator_ == nullptr ? 0 : communicator_->bytes_sent();
}

int Ranks::count() const {
  return communicator_ == nullptr ? 1 : communicator_->world_size();
}

void Ranks::sum(std::span<double> values) const {
  if (alone() || values.empty()) return;
  torch::Tensor tensor = view_of(values);
  communicator_->all_reduce_sum(tensor);
}

void Ranks::share(std::span<double> values) const {
  if (alone() || values.empty()) return;
  torch::Tensor tensor = view_of(values);
  communicator_->broadcast(tensor, 0);
}

void Ranks::share(const TensorMap& tensors) const {
  if (alone()) return;
  for (const auto& [name, tensor] : tensors) {
    torch::Tensor target = tensor.detach();
    if (target.nbytes() == 0) continue;
    // As bytes: Gloo does not know every element type.
    torch::Tensor plain = target.contiguous();
    torch::Tensor bytes =
        at::from_blob(plain.data_ptr(), {static_cast<std::int64_t>(plain.nbytes())}, torch::kUInt8);
    communicator_->broadcast(bytes, 0);
    if (!plain.is_alias_of(target)) target.copy_(plain);
  }
}

void Ranks::share(std::span<const torch::Tensor> tensors) const {
  if (alone() || tensors.empty()) return;
  std::vector<torch::Tensor> plain;
  std::size_t size = 0;
  for (const torch::Tensor& tensor : tensors) {
    plain.push_back(tensor.detach().contiguous());
    size += plain.back().nbytes();
  }
  torch::Tensor message = at::empty({static_cast<std::int64_t>(size)}, torch::kUInt8);
  auto* bytes = static_cast<char*>(message.data_ptr());
  for (const torch::Tensor& tensor : plain)
    bytes = std::copy_n(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes(), bytes);
  communicator_->broadcast(message, 0);
  bytes = static_cast<char*>(message.data_ptr());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    std::memcpy(plain[i].data_ptr(), bytes, plain[i].nbytes());
    bytes += plain[i].nbytes();
    torch::Tensor target = tensors[i].detach();
    if (!plain[i].is_alias_of(target)) target.copy_(plain[i]);
  }
}

void Ranks::sum(std::span<std::uint64_t> counts) const {
  if (alone()) return;
  // Doubles are exact below 2^53: each count goes as two halves.
  constexpr std::uint64_t kLow = 0xFFFFFFFF;
  std::vector<double> halves;
  for (const std::uint64_t value : counts) {
    halves.push_back(static_cast<double>(value & kLow));
    halves.push_back(static_cast<double>(value >> 32));
  }
  sum(std::span<double>(halves));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] =
        static_cast<std::uint64_t>(halves[2 * i]) + (static_cast<std::uint64_t>(halves[2 * i + 1]) << 32);
  }
}

void Ranks::share_bytes(std::string& bytes) const {
  torch::Tensor length = at::full({1}, static_cast<std::int64_t>(bytes.size()), torch::kInt64);
  communicator_->broadcast(length, 0);
  torch::Tensor content = at::empty({length.item<std::int64_t>()}, torch::kUInt8);
  if (rank() == 0) std::memcpy(content.data_ptr(), bytes.data(), bytes.size());
  communicator_->broadcast(content, 0);
  bytes.assign(static_cast<const char*>(content.data_ptr()), content.nbytes());
}

std::string Ranks::share(const std::function<std::string()>& make) const {
  if (alone()) return make();
  std::string message;
  std::optional<Error> failure;
  if (rank() == 0) {
    try {
      message = "=" + make();
    } catch (const Error& error) {
      failure = error;
      message = pack(error);
    }
  }
  share_bytes(message);
  if (failure) throw *failure;
  if (message.starts_with('!')) throw unpack(message);
  return message.substr(1);
}

}  // namespace tenfold::train
