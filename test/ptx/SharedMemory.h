// A block's shared memory, with what is known of each byte and who last touched each half of a word.
//
// A byte is fresh (never written), held, arriving (a copy into it is under way), leaving (a copy out of it is under
// way), or part of a barrier. Accesses are checked against that, and against each other: two accesses to one half by
// different warps, one of them a write, must be ordered by barriers. The order is kept as vector clocks of warps; the
// copy engine counts as one more warp. Two lanes of one warp are ordered by bar.warp.sync and barriers alone.
#pragma once

#include "test/ptx/Program.h"

#include <array>

namespace caa::ptx {

constexpr uint32_t sharedBase = 1024; // the address of the first byte; what lies below is the system's
constexpr uint32_t mostWarps = 32;

/// Per warp (and for the copy engine, the last): the newest clock of it that is known to have been before.
struct Clocks {
  std::array<uint32_t, mostWarps + 1> at = {};
  void join(const Clocks &other) {
    for (uint32_t i = 0; i <= mostWarps; ++i)
      at[i] = at[i] < other.at[i] ? other.at[i] : at[i];
  }
};

/// Who accesses: a lane of a warp, what the warp knows, and when the lane last fenced its writes for the copy engine
/// and the tensor cores (a serial number).
struct Accessor {
  uint32_t warp, lane;
  const Clocks &known;
};

class SharedMemory {
public:
  /// Fresh memory of `bytes` for `warps` warps.
  void reset(uint32_t bytes, uint32_t warps);

  uint8_t *read(uint32_t address, uint32_t size, const Accessor &by);
  void write(uint32_t address, const void *data, uint32_t size, const Accessor &by);
  /// For an atomic, which no race is with other atomics.
  uint8_t *update(uint32_t address, uint32_t size, const Accessor &by);

  /// A copy that `by` issues will write these bytes: nobody may touch them until `arrive`.
  void expect(uint32_t address, uint32_t size, const Accessor &by);
  /// The bytes come; by the copy engine if `serial` is not 0, else by the lane itself.
  void arrive(uint32_t address, const void *data, uint32_t size, const Accessor &by, uint32_t serial);

  /// What the tensor cores or the copy engine read: `by` issues it; the bytes must have been fenced.
  const uint8_t *readAsync(uint32_t address, uint32_t size, const Accessor &by);
  /// The bytes are read between two moments; the second one finds them unchanged since `serial`.
  void checkUnchanged(uint32_t address, uint32_t size, uint32_t serial) const;
  void leave(uint32_t address, uint32_t size);
  void left(uint32_t address, uint32_t size);

  void makeBarrier(uint32_t address);
  bool isBarrier(uint32_t address) const;

  void fence(const Accessor &by) { fences_[by.warp * 32 + by.lane] = ++serial_; }
  uint32_t serial() const { return serial_; }
  uint32_t nextSerial() { return ++serial_; }

private:
  enum State : uint8_t { Fresh, Held, Arriving, Leaving, Barrier };
  static constexpr uint32_t unit = 2; // bytes whose accesses are told apart: neighbouring lanes may write halves of a word
  struct Unit {
    uint32_t clock = 0, serial = 0; // of the last write
    uint16_t warp = none, lane = 0;
    bool isAtomic = false, isAsync = false;
  };
  static constexpr uint16_t none = 0xffff;

  uint32_t place(uint32_t address, uint32_t size, const char *what) const;
  void checkStates(uint32_t at, uint32_t size, const char *what, bool reads) const;
  void afterWrites(uint32_t at, uint32_t size, const Accessor &by, const char *what, const void *data,
                   bool isAtomic) const;
  void afterReads(uint32_t at, uint32_t size, const Accessor &by, const char *what) const;
  void noteWrite(uint32_t at, uint32_t size, const Accessor &by, bool isAtomic);
  void noteRead(uint32_t at, uint32_t size, const Accessor &by);

  uint32_t bytes_ = 0, warps_ = 0, serial_ = 1;
  std::vector<uint8_t> data_, states_;
  std::vector<Unit> units_;
  std::vector<uint32_t> reads_; // clocks by unit and warp
  std::array<uint32_t, mostWarps * 32> fences_ = {};
};

} // namespace caa::ptx
