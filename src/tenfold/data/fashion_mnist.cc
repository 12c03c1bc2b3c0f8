// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/fashion_mnist.h"

#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::data {

bool fashion_mnist_is_installed(const Path& folder) {
  return path_exists(folder) && !find_idx_pair(folder, "train").images.empty() &&
         !find_idx_pair(folder, "t10k").images.empty();
}

FashionMnist read_fashion_mnist(const Path& folder) {
  if (!fashion_mnist_is_installed(folder)) {
    throw Error(
        ErrorClass::kFile,
        "fashion_mnist.not_installed",
        {.what = "Fashion-MNIST is not on this machine",
         .seen = "no train and t10k files in " + printable(folder.string(), 400),
         .wanted = "the files of Debian's package dataset-fashion-mnist",
         .remedy = "apt install dataset-fashion-mnist (31 MB), or name a folder with its four files"});
  }
  return {.train = read_idx_pair(find_idx_pair(folder, "train")),
          .test = read_idx_pair(find_idx_pair(folder, "t10k"))};
}

}  // namespace tenfold::data
