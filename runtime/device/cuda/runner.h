// The entries of a compiled model on one GPU: what lives there, and queueing entries without waiting.
//
// A Bound entry has a place for everything: its buffers and values lie in one arena that all entries share (it grows to
// the largest), parameters and the like in memory of their own. After its first run an entry is a CUDA graph.
#pragma once

#include "runtime/device/cuda/operations.h"

#include <map>
#include <memory>
#include <string>

namespace caa::cuda {

/// A recorded sequence of work.
class Graph {
public:
  Graph() = default;
  Graph(const Device &device, CUgraphExec handle) : device_(&device), handle_(handle) {}
  Graph(Graph &&other) noexcept { *this = std::move(other); }
  Graph &operator=(Graph &&other) noexcept {
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Graph();
  CUgraphExec handle() const { return handle_; }

private:
  const Device *device_ = nullptr;
  CUgraphExec handle_ = nullptr;
};

/// An entry at one batch and length, with addresses.
struct Bound {
  EntryPlan plan;
  std::vector<CUdeviceptr> values; // of the entry's values, in order
  std::vector<Operation> operations;
  Graph graph;
  int64_t runs = 0;
  uint64_t generation = 0; // of the arena that the addresses are in
};

class Runner {
public:
  /// Starts the device and loads the image's code on it. `image` outlives the result.
  static Result<std::unique_ptr<Runner>> open(std::unique_ptr<Device> device, const Image &image, bool deterministic);
  ~Runner();
  Runner(const Runner &) = delete;

  const Device &device() const { return *device_; }
  const Image &image() const { return image_; }
  caa_target target() const { return target_; }
  const Kernels &kernels() const { return kernels_; }
  Products &products() { return *products_; }
  CUstream stream() const { return stream_.handle(); }

  /// The memory of a caa_buffer_kind that outlives entries (PARAMETERS, GRADIENTS, MOMENT1, ... LOSS_SUM, REPORT,
  /// OPTIMIZER): zeros when first asked for.
  Result<CUdeviceptr> state(uint32_t kind);
  int64_t stateBytes(uint32_t kind) const;
  /// Whether an entry reads rounded copies of parameters.
  bool hasRoundedParameters() const;

  /// Places the plan's entry, or finds it placed; valid until the next call that places a larger one.
  Result<Bound *> bind(const EntryPlan &plan);
  /// Queues the entry's commands.
  Status enqueue(Bound &bound);
  /// Runs the entry's commands one by one with the time of each (bench). Waits.
  Status runTimed(Bound &bound, const Engine::Observer &observer);
  /// Waits for all that is queued; a fault of a kernel becomes an error here.
  Status synchronize();

  /// Bytes that a bound plan takes of the arena.
  static int64_t bytesOf(const EntryPlan &plan);
  void setPoison(bool poison) { poison_ = poison; }

private:
  Runner(const Image &image) : image_(image) {}
  Status reserve(int64_t bytes);
  Result<CUdeviceptr> baseOf(const caa_buffer &buffer, size_t number, const Bound &bound);
  Status place(Bound &bound);
  Status enqueueAll(Bound &bound);
  Result<Graph> record(Bound &bound);
  Error fault(std::string_view what, int code) const;

  const Image &image_;
  std::unique_ptr<Device> device_;
  caa_target target_ = CAA_TARGET_SM80;
  Stream stream_;
  Kernels kernels_;
  std::unique_ptr<Products> products_;
  std::map<uint32_t, DeviceMemory> state_;
  DeviceMemory constants_, arena_;
  uint64_t generation_ = 0;
  std::map<std::string, Bound, std::less<>> bound_; // "entry batch length"
  bool poison_ = false, waitsAlways_ = false;
};

} // namespace caa::cuda
