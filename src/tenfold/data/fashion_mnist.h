// SPDX-License-Identifier: Apache-2.0
// Fashion-MNIST (Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
// algorithms", 2017): 60,000 training and 10,000 test pictures of 28 x 28, ten classes, from Debian's package
// dataset-fashion-mnist.
#pragma once

#include <array>
#include <string_view>

#include "tenfold/base/file_system.h"
#include "tenfold/data/image_classification.h"

namespace tenfold::data {

// Where the package puts its four files.
inline constexpr std::string_view kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";

// Names of the labels 0 to 9, as the paper's table 2 has them.
inline constexpr std::array<std::string_view, 10> kFashionMnistClasses = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};

// Mean and standard deviation of all training pixels, in 0..1.
inline constexpr double kFashionMnistMean = 0.2860;
inline constexpr double kFashionMnistStd = 0.3530;

struct FashionMnist {
  LabelledImages train;  // 60,000
  LabelledImages test;   // 10,000
};

// Throws Error(kFile, "fashion_mnist.not_installed"), which says how to install it, when the files are not in `folder`;
// otherwise what read_idx_pair() throws.
FashionMnist read_fashion_mnist(const Path& folder = kFashionMnistFolder);
bool fashion_mnist_is_installed(const Path& folder = kFashionMnistFolder);

}  // namespace tenfold::data
