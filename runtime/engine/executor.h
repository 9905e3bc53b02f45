// Runs the CPU entries of a compiled model: commands as data over one arena.
//
//   Executor executor(library, threads);
//   CAA_TRY(auto plan, planEntry(image, CAA_TARGET_CPU, "micro_step", batch, length)); // sizes, arena, checks; reused
//   CAA_CHECK(executor.run(plan, bindings));
//
// The model's parameters, gradients, losses and reports belong to the caller (Bindings). Nothing here knows about
// training.
#pragma once

#include "runtime/engine/engine.h"
#include "runtime/engine/library.h"
#include "runtime/engine/products.h"

namespace caa {

class Executor final : public Engine {
public:
  Executor(const Library &library, Threads &threads) : library_(library), threads_(threads) {}

  caa_target target() const override { return CAA_TARGET_CPU; }
  std::string code() const override { return std::string(nameOf(library_.isa())); }
  std::string place() const override { return "this machine"; }
  Status run(const EntryPlan &plan, const Bindings &bindings) override;
  Status write(StateArena, std::span<const float>) override { return {}; }
  Status read(StateArena, std::span<float>) override { return {}; }
  int64_t bytesOf(const EntryPlan &plan) const override;
  int64_t parameterBytes() const override { return 4 * parameterElements(library_.image()); }
  int64_t trainingBytes() const override { return 4 * parameterBytes(); } // beside them gradients and two moments
  Result<int64_t> availableMemory() const override { return caa::availableMemory(); }
  Result<int64_t> peakMemory() const override;
  int64_t usualTokens() const override { return 4096; }
  Result<double> measureProductPeak() override { return caa::measureProductPeak(threads_); }
  Result<double> measureCopyRate() override;
  void setPoison(bool poison) override { poison_ = poison; }
  void setObserver(Observer observer) override { observer_ = std::move(observer); }

private:
  struct Run;
  Status reserve(const EntryPlan &plan);

  const Library &library_;
  Threads &threads_;
  Memory arena_, scratch_;
  bool poison_ = false;
  Observer observer_;
};

} // namespace caa
