// Who runs the entries of a compiled model: the processor (Executor) or a GPU (runtime/device/cuda).
//
// Parameters, their gradients and an optimizer's moments are arenas in the layout of the image's parameters. The
// processor works on the caller's own (Bindings); a GPU has its own, which `write` and `read` copy from and to the
// caller's. So whoever changes parameters on the host writes them, and whoever wants to see them reads them; for the
// processor both do nothing.
#pragma once

#include "runtime/engine/arena.h"
#include "runtime/engine/image.h"
#include "runtime/engine/sizes.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>
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
Result<EntryPlan> planEntry(const Image &image, caa_target target, std::string_view entry, int64_t batch,
                            int64_t length);

/// A size of the plan's entry for `rows` rows of tokens. Planning has evaluated it once: it cannot fail.
int64_t sizeIn(const EntryPlan &plan, const Image &image, caa_size size, int64_t rows);

/// Calls `visit(command, rows, firstRow)` for each command of the plan's entry in the order of execution, those of a
/// loop once for each chunk, until one returns an error.
Status forEachCommand(const EntryPlan &plan, const Image &image,
                      const std::function<Status(const caa_command &command, int64_t rows, int64_t firstRow)> &visit);

/// What an entry works on, in memory of the host. Spans are in the image's order; values in the entry's order,
/// valueBytes each.
struct Bindings {
  std::span<float> parameters = {}, gradients = {}; // arenas of parameterElements(image); a GPU has its own
  std::span<float> lossScale = {};                  // one per loss
  std::span<double> lossSum = {}, lossCount = {};
  std::span<double> reports = {}; // five per report
  std::vector<void *> values = {};
};

/// Elements of the arena of parameters (and of that of gradients, and of those of moments).
int64_t parameterElements(const Image &image);

/// The arenas that an engine may have to itself.
enum class StateArena { Parameters, Gradients, FirstMoment, SecondMoment };

class Engine {
public:
  virtual ~Engine() = default;

  /// One caa_target: whose entries it runs.
  virtual caa_target target() const = 0;
  /// What decides over bits: "AVX-512", "sm_90a on NVIDIA H100 80GB HBM3".
  virtual std::string code() const = 0;
  /// For messages: "this machine", "GPU 0 (NVIDIA H100 80GB HBM3)".
  virtual std::string place() const = 0;

  /// Runs the commands in order and waits for them. An error where memory is short or a binding is missing.
  virtual Status run(const EntryPlan &plan, const Bindings &bindings) = 0;

  /// Copies an arena of the caller's to the engine's, and back.
  virtual Status write(StateArena arena, std::span<const float> values) = 0;
  virtual Status read(StateArena arena, std::span<float> values) = 0;

  /// Bytes that a run of the plan takes beside the state.
  virtual int64_t bytesOf(const EntryPlan &plan) const = 0;
  /// Bytes of parameters, and of what training keeps beside them.
  virtual int64_t parameterBytes() const = 0;
  virtual int64_t trainingBytes() const = 0;
  /// Bytes that are left for both; the environment variable CAA_MEMORY=BYTES makes it less.
  virtual Result<int64_t> availableMemory() const = 0;
  /// Who else holds memory, as the end of a message ("; other processes hold ..."), if that is worth telling.
  virtual std::string memoryNote() const { return {}; }
  /// The most bytes that this process has held there so far.
  virtual Result<int64_t> peakMemory() const = 0;
  /// Tokens of a micro-batch that keep it busy.
  virtual int64_t usualTokens() const = 0;

  /// Floating-point operations a second of large products, measured now.
  virtual Result<double> measureProductPeak() = 0;
  /// Bytes a second, read and written, of a large copy, measured now.
  virtual Result<double> measureCopyRate() = 0;

  /// Fill the arena and the scratch with NaN before every run: what is read before it is written shows.
  virtual void setPoison(bool poison) = 0;
  /// Called after every command with its index in the image, the rows of its chunk and its seconds (bench); an empty one
  /// ends it.
  using Observer = std::function<void(size_t command, int64_t rows, double seconds)>;
  virtual void setObserver(Observer observer) = 0;
};

} // namespace caa
