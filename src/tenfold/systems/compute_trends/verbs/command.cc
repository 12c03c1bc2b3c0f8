// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/command.h"

#include "tenfold/systems/compute_trends/verbs/verbs.h"
#include "tenfold_compute_trends_verbs_embedded.h"

namespace tenfold::compute_trends {

systems::System make_system() {
  systems::System system;
  system.name = "trends";
  system.title = "Compute trends";
  system.summary = "fit 70 years of training compute, estimate a run's FLOPs and put it on the chart";
  system.paper =
      "Sevilla, Heim, Ho, Besiroglu, Hobbhahn, Villalobos: Compute Trends Across Three Eras of Machine "
      "Learning, arXiv 2202.05924 (2022)";
  system.verbs = {make_fit_verb(),
                  make_eras_verb(),
                  make_break_search_verb(),
                  make_null_study_verb(),
                  make_compare_verb(),
                  make_plot_verb(),
                  make_estimate_verb(),
                  make_threshold_verb(),
                  make_check_verb(),
                  make_six_nd_verb(),
                  make_export_verb(),
                  systems::served_as(systems::Served::kJob, make_bench_verb())};
  system.torch_verbs = {"flops"};
  system.presets = {{"demo", std::string(compute_trends_verbs::embedded::preset_demo())},
                    {"small", std::string(compute_trends_verbs::embedded::preset_small())},
                    {"paper", std::string(compute_trends_verbs::embedded::preset_paper())}};
  system.claims = make_claims();
  system.demo = make_demo_section;
  return system;
}

}  // namespace tenfold::compute_trends
