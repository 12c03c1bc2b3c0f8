// SPDX-License-Identifier: Apache-2.0
// The page: every file of the folder web/, compiled into the program. Nothing is read from the disk.
#pragma once

#include "tenfold/serve/router.h"

namespace tenfold::serve {

// GET / and /<file> for each file, with an ETag. "/" is index.html.
void add_static_files(Router& router);

}  // namespace tenfold::serve
