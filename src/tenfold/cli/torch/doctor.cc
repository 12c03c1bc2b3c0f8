// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/torch/doctor.h"

#include <faiss/Index.h>
#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tenfold/base/cpu.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/base/version.h"
#include "tenfold/report/table.h"
#include "tenfold/train/machine.h"

namespace tenfold::cli {
namespace {

struct DoctorOptions {
  double seconds = 4.0;
  void visit_fields(auto&& field) {
    field("seconds", seconds, {.help = "time for the measurements", .unit = "s", .min = 0.2, .max = 600});
  }
};

std::string faiss_version() {
  return fmt::format("{}.{}.{}", FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH);
}

std::string percent(double share) {
  return fmt::format("{:.0f} %", 100.0 * share);
}

report::Table libraries_table(const train::MachineReport& machine) {
  const train::LibraryInfo& libraries = machine.libraries;
  const char* coretype = std::getenv("OPENBLAS_CORETYPE");
  report::Table table{"Processor and libraries", {"what", "found"}, {}, {}};
  table.rows = {{"processor", cpu_info().model_name},
                {"vector units", join(cpu_info().features(), " ")},
                {"cores usable", std::to_string(available_cores())},
                {"threads used", std::to_string(thread_count())},
                {"tenfold", fmt::format("{} ({})", version(), revision())},
                {"LibTorch", libraries.torch_version},
                {"LibTorch kernels", libraries.torch_cpu_capability},
                {"oneDNN", libraries.onednn ? "yes" : "no"},
                {"Faiss", faiss_version()},
                {"BLAS", libraries.blas.name + " " + libraries.blas.version},
                {"BLAS kernel", libraries.blas.kernel},
                {"BLAS threads", libraries.blas.threading},
                {"OPENBLAS_CORETYPE", coretype == nullptr ? "not set" : coretype},
                {"OpenMP runtimes", join(libraries.openmp_runtimes, " ")}};
  return table;
}

// What is wrong: the measurement's own findings, and a kernel that the user's environment holds below the processor.
std::vector<std::string> warnings_of(const train::MachineReport& machine) {
  std::vector<std::string> warnings = machine.warnings;
  const char* coretype = std::getenv("OPENBLAS_CORETYPE");
  const std::string kernel = to_lower(machine.libraries.blas.kernel);
  const bool narrow = kernel == "haswell" || kernel == "zen" || kernel == "sandybridge" ||
                      kernel == "nehalem" || kernel == "prescott";
  if (coretype != nullptr && narrow && cpu_info().avx512) {
    warnings.push_back(
        fmt::format("OPENBLAS_CORETYPE={} in the environment chooses a BLAS kernel without this processor's "
                    "AVX-512: unset it",
                    printable(coretype)));
  }
  return warnings;
}

report::Table rates_table(const train::MachineReport& machine) {
  report::Table table{
      "Measured rates",
      {"what", "1 thread", fmt::format("{} threads", machine.gemm_all_threads.threads), "unit"},
      {},
      {}};
  table.rows = {
      {"matrix product 1024^3, float32",
       fmt::format("{:.0f}", machine.gemm_one_thread.gflops),
       fmt::format("{:.0f}", machine.gemm_all_threads.gflops),
       "GFLOP/s"},
      {"fused multiply-add, " + std::string(train::to_string(machine.fma_one_thread.simd)),
       fmt::format("{:.0f}", machine.fma_one_thread.gflops),
       fmt::format("{:.0f}", machine.fma_all_threads.gflops),
       "GFLOP/s"},
      {"matrix product's share of that peak",
       percent(machine.share_of_fma_peak_one_thread),
       percent(machine.share_of_fma_peak_all_threads),
       ""},
      {"memory, triad", "-", fmt::format("{:.1f}", machine.bandwidth.gigabytes_per_second), "GB/s"}};
  const std::vector<std::string> warnings = warnings_of(machine);
  for (const std::string& warning : warnings) table.notes.push_back("warning: " + warning);
  if (warnings.empty()) table.notes.emplace_back("no problem found");
  return table;
}

nlohmann::json machine_json(const train::MachineReport& machine) {
  const train::LibraryInfo& libraries = machine.libraries;
  const auto gemm = [](const train::GemmReport& report) {
    return nlohmann::json{{"threads", report.threads},
                          {"size", report.size},
                          {"gflops", report.gflops},
                          {"best_gflops", report.best_gflops},
                          {"repeats", report.repeats}};
  };
  const auto fma = [](const train::FmaReport& report) {
    return nlohmann::json{{"simd", train::to_string(report.simd)},
                          {"threads", report.threads},
                          {"gflops", report.gflops},
                          {"best_gflops", report.best_gflops}};
  };
  return {{"cpu",
           {{"model", cpu_info().model_name},
            {"vendor", cpu_info().vendor},
            {"features", cpu_info().features()},
            {"cores", available_cores()}}},
          {"versions",
           {{"tenfold", version()},
            {"revision", revision()},
            {"torch", libraries.torch_version},
            {"faiss", faiss_version()}}},
          {"torch",
           {{"cpu_capability", libraries.torch_cpu_capability},
            {"onednn", libraries.onednn},
            {"intra_op_threads", libraries.intra_op_threads}}},
          {"blas",
           {{"name", libraries.blas.name},
            {"version", libraries.blas.version},
            {"kernel", libraries.blas.kernel},
            {"threading", libraries.blas.threading},
            {"files", libraries.blas.files},
            {"kernel_too_old", libraries.blas.kernel_too_old}}},
          {"openmp_runtimes", libraries.openmp_runtimes},
          {"gemm_one_thread", gemm(machine.gemm_one_thread)},
          {"gemm_all_threads", gemm(machine.gemm_all_threads)},
          {"fma_one_thread", fma(machine.fma_one_thread)},
          {"fma_all_threads", fma(machine.fma_all_threads)},
          {"share_of_fma_peak_one_thread", machine.share_of_fma_peak_one_thread},
          {"share_of_fma_peak_all_threads", machine.share_of_fma_peak_all_threads},
          {"bandwidth_gigabytes_per_second", machine.bandwidth.gigabytes_per_second},
          {"gemm_loop_utilisation", machine.gemm_loop_utilisation},
          {"warnings", warnings_of(machine)}};
}

systems::Outcome doctor(const DoctorOptions& options, systems::Context& context) {
  context.progress("measuring matrix products, multiply-adds and memory");
  const train::MachineReport machine = train::measure_machine(options.seconds);
  return systems::make_outcome(
      machine_json(machine),
      report::to_terminal(libraries_table(machine)) + "\n" + report::to_terminal(rates_table(machine)));
}

}  // namespace

systems::Verb make_doctor_command() {
  return systems::make_verb<DoctorOptions>(
      "doctor",
      "print processor, libraries, BLAS kernel and measured rates, and what is wrong with them",
      "The BLAS kernel decides the speed of everything: a kernel from before AVX2 on a new processor is "
      "reported as a "
      "warning with its remedy. There must be exactly one OpenMP runtime in the process.",
      {"tenfold doctor --seconds 1"},
      doctor);
}

report::Section make_machine_section(systems::Context& context) {
  context.progress("measuring this machine");
  const train::MachineReport machine = train::measure_machine(3.0);
  report::Section section{
      "machine",
      "This machine",
      fmt::format("Matrix products run at {:.0f} GFLOP/s with {} threads, {} of the processor's peak.",
                  machine.gemm_all_threads.gflops,
                  machine.gemm_all_threads.threads,
                  percent(machine.share_of_fma_peak_all_threads)),
      {}};
  section.blocks = {rates_table(machine), libraries_table(machine)};
  return section;
}

}  // namespace tenfold::cli
