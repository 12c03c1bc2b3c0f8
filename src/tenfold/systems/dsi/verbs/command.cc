// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/verbs/command.h"

#include "tenfold/systems/dsi/service.h"
#include "tenfold/systems/dsi/verbs/claims.h"
#include "tenfold/systems/dsi/verbs/verbs.h"
#include "tenfold_dsi_verbs_embedded.h"

namespace tenfold::dsi {

systems::System make_system() {
  systems::System system;
  system.name = "dsi";
  system.title = "DSI";
  system.summary = "searches a corpus by a model that generates document identifiers";
  system.paper =
      "Tay, Tran, Dehghani, Ni, Bahri, Mehta, Qin, Hui, Zhao, Gupta, Schuster, Cohen, Metzler: Transformer "
      "Memory as a "
      "Differentiable Search Index, arXiv 2202.06991 (NeurIPS 2022)";
  system.verbs = {
      make_train_verb(), make_search_verb(), make_add_verb(), make_delete_verb(), make_eval_verb()};
  system.presets = {{"demo", std::string(dsi_verbs::embedded::preset_demo())},
                    {"small", std::string(dsi_verbs::embedded::preset_small())},
                    {"semantic", std::string(dsi_verbs::embedded::preset_semantic())}};
  system.claims = make_claims();
  system.open_bundle = open_service;
  return system;
}

}  // namespace tenfold::dsi
