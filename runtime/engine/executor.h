// Runs the CPU entries of a compiled model: commands as data over one arena.
//
//   Executor executor(library, threads);
//   CAA_TRY(auto plan, planEntry(image, CAA_TARGET_CPU, "micro_step", batch, length)); // sizes, arena, checks; kept and reused
//   CAA_CHECK(executor.run(plan, bindings));
//
// The model's parameters, gradients, losses and reports belong to the caller (Bindings). Nothing here knows about
// training.
#pragma once

#include "runtime/engine/arena.h"
#include "runtime/engine/library.h"
#include "runtime/engine/products.h"
#include "runtime/engine/sizes.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace caa {

/// One entry of any target at one batch and length: every size evaluated, every operand's place checked.
struct EntryPlan {
  const caa_entry *entry = nullptr;
  Dimensions dimensions;
  std::vector<int64_t> bufferBytes; // of the entry's buffers, in order
  ArenaPlan arena;
  std::vector<int64_t> arenaOffsets; // of the entry's buffers; -1 where they are not in the arena
  std::vector<int64_t> valueBytes;   // of the entry's values, in order
  int64_t scratchBytes = 0;          // per thread
  double productFlops = 0, kernelFlops = 0;
};

/// Sizes and checks alone: needs no loaded code (inspect, memory prediction).
Result<EntryPlan> planEntry(const Image &image, caa_target target, std::string_view entry, int64_t batch, int64_t length);

/// What an entry works on. Spans are in the image's order; values in the entry's order, valueBytes each.
struct Bindings {
  std::span<float> parameters = {}, gradients = {}; // arenas of parameterElements(image)
  std::span<float> lossScale = {};                  // one per loss
  std::span<double> lossSum = {}, lossCount = {};
  std::span<double> reports = {}; // five per report
  std::vector<void *> values = {};
};

/// Elements of the arena of parameters (and of that of gradients).
int64_t parameterElements(const Image &image);

class Executor {
public:
  Executor(const Library &library, Threads &threads) : library_(library), threads_(threads) {}

  /// Runs the commands in order. An error where memory is short or a binding is missing.
  Status run(const EntryPlan &plan, const Bindings &bindings);

  /// Fill the arena and the scratch with NaN before every run: what is read before it is written shows.
  void setPoison(bool poison) { poison_ = poison; }
  /// Called after every command with its index in the image and its seconds (bench).
  using Observer = std::function<void(size_t command, double seconds)>;
  void setObserver(Observer observer) { observer_ = std::move(observer); }

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
