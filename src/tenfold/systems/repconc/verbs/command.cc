// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/verbs/command.h"

#include "tenfold/systems/repconc/service.h"
#include "tenfold/systems/repconc/verbs/claims.h"
#include "tenfold/systems/repconc/verbs/verbs.h"
#include "tenfold_repconc_verbs_embedded.h"

namespace tenfold::repconc {

systems::System make_system() {
  systems::System system;
  system.name = "repconc";
  system.title = "RepCONC";
  system.summary =
      "compresses dense-retrieval vectors to a few bytes, trained for ranking, and searches them";
  system.paper =
      "Zhan, Mao, Liu, Guo, Zhang, Ma: Learning Discrete Representations via Constrained Clustering for "
      "Effective and "
      "Efficient Dense Retrieval, arXiv 2110.05789 (WSDM 2022); JPQ: arXiv 2108.00644 (CIKM 2021)";
  system.verbs = {make_train_verb(),
                  make_index_verb(),
                  make_search_verb(),
                  make_eval_verb(),
                  make_export_verb(),
                  make_collection_verb(),
                  make_bench_verb()};
  system.presets = {{"demo", std::string(repconc_verbs::embedded::preset_demo())},
                    {"small", std::string(repconc_verbs::embedded::preset_small())},
                    {"paper", std::string(repconc_verbs::embedded::preset_paper())}};
  system.claims = make_claims();
  system.open_bundle = open_service;
  return system;
}

}  // namespace tenfold::repconc
