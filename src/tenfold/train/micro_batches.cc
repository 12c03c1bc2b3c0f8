// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/micro_batches.h"

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>

#include "tenfold/base/random.h"

namespace tenfold::train {

std::vector<MicroBatch> micro_batches(const data::LoadedBatch& loaded, std::int64_t count, int rank) {
  const data::Batch& batch = loaded.batch;
  const std::int64_t rows = batch.size();
  const auto share = [&](std::int64_t part) {
    return static_cast<double>(part) / static_cast<double>(loaded.plan.global_size);
  };
  const std::uint64_t first = static_cast<std::uint64_t>(rank) * static_cast<std::uint64_t>(count);
  std::vector<MicroBatch> parts;
  if (rows == 0) return parts;
  if (count == 1) {
    parts.push_back({.batch = batch, .weight = share(rows), .index = first});
    return parts;
  }
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < count && begin < rows; ++i) {
    const std::int64_t size = rows / count + (i < rows % count ? 1 : 0);
    MicroBatch part{.weight = share(size), .index = first + static_cast<std::uint64_t>(i)};
    for (const at::Tensor& tensor : batch.tensors)
      part.batch.tensors.push_back(tensor.narrow(0, begin, size));
    part.batch.ids.assign(batch.ids.begin() + begin, batch.ids.begin() + begin + size);
    begin += size;
    part.last = begin == rows;
    parts.push_back(std::move(part));
  }
  return parts;
}

void seed_generator(const EstimateKey& key) {
  constexpr std::uint32_t kStream = 0x7261696E;  // apart from the streams of samplers and estimators
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto words = random::philox4x32({low(key.step), high(key.step), low(key.micro_batch), kStream},
                                        {low(key.seed), high(key.seed)});
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(words[0]);
}

void StepSum::add(StepOutput output, double weight) {
  loss += weight * output.loss.item<double>();
  parts_.push_back({std::move(output.metrics), weight});
}

Figures StepSum::metrics() const {
  Figures figures;
  for (const Part& part : parts_) {
    for (const auto& [name, tensor] : part.metrics) figures[name] += part.weight * tensor.item<double>();
  }
  return figures;
}

}  // namespace tenfold::train
