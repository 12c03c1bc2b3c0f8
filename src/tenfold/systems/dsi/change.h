// SPDX-License-Identifier: Apache-2.0
// A corpus that changes under a trained model: documents come and go. Mehta et al., "DSI++", arXiv 2212.09744: replay of pseudo-queries of the
// old documents; Kishore et al., "IncDSI", arXiv 2307.10323: a row at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/config/field.h"
#include "tenfold/search/beir.h"
#include "tenfold/systems/dsi/model_file.h"

namespace tenfold::dsi {

struct AddOptions {
  std::string method = "auto";
  double epochs = 5.0;
  double replay = 2.0;
  double learning_rate = 5e-4;

  void visit_fields(auto&& field) {
    field("method",
          method,
          {.help =
               "row: solve for one row a document (atomic); train: go on training; auto: row when it can be",
           .choices = {"auto", "row", "train"}});
    field("epochs", epochs, {.help = "train: passes over the new documents' views", .min = 0.0, .max = 1e4});
    field("replay",
          replay,
          {.help = "train: examples of old documents for each one of new documents; 0: none",
           .min = 0.0,
           .max = 1e4});
    field("learning_rate", learning_rate, {.help = "train: in the beginning", .min = 0.0, .max = 1e3});
  }
};

struct AddReport {
  std::string method;        // "row" or "train"
  double found_first = 0.0;  // share of views of the new documents that find them first
  double milliseconds_each = 0.0;
};

// Adds the documents behind those there are. Throws Error(kData): "dsi.duplicate_id" (an id that is there, deleted or not),
// "dsi.empty_document" (no known word), and what DocidScheme::add() throws; Error(kConfig, "dsi.no_rows") for "row" without atomic identifiers.
// `open` is unchanged then.
AddReport add_documents(OpenModel& open,
                        const search::BeirCorpus& documents,
                        const AddOptions& options,
                        std::uint64_t seed,
                        const StopToken* stop);

// Deletes documents by their ids, or brings them back. Throws Error(kData, "dsi.unknown_id"); nothing is changed then.
void set_live(OpenModel& open, const std::vector<std::string>& ids, bool live);

}  // namespace tenfold::dsi
