// LLVM dialect code of one GPU thread: what emit::Code offers, with NVVM's intrinsics, special registers, inline assembly,
// shared memory, shuffles and barriers. Pointers to global memory are in address space 1, to shared memory in 3.
#pragma once

#include "codegen/Llvm/Code.h"
#include "runtime/abi/caa_abi.h"

namespace caa::nvptx {

using emit::Block;
using emit::bytesOf;
using emit::memoryType;
using emit::registerType;
using emit::SmallVector;
using emit::Type;
using emit::Value;
using emit::ValueRange;
using mlir::ArrayRef;

class ThreadCode : public emit::Code {
public:
  ThreadCode(mlir::LLVM::LLVMFuncOp function, caa_target target);

  const caa_target target;
  Type bf16, i16, globalPointer, sharedPointer;
  /// Whether this is sm_90a.
  bool isHopper() const { return target == CAA_TARGET_SM90A; }

  //===-- Instructions ------------------------------------------------------------------------------------------===//
  /// A call of the intrinsic `name` ("llvm.nvvm....").
  Value intrinsic(llvm::StringRef name, Type result, ValueRange operands);
  void intrinsic(llvm::StringRef name, ValueRange operands);
  /// Inline PTX: `constraints` as LLVM's ("=f,r,l"). With `isVolatile` it stays where it is. One result or none.
  Value assembly(llvm::StringRef text, llvm::StringRef constraints, Type result, ValueRange operands, bool isVolatile = true);
  void assembly(llvm::StringRef text, llvm::StringRef constraints, ValueRange operands);
  /// Several results.
  SmallVector<Value> assembly(llvm::StringRef text, llvm::StringRef constraints, ArrayRef<Type> results, ValueRange operands,
                              bool isVolatile = true);

  //===-- Who am I ----------------------------------------------------------------------------------------------===//
  // All i32, read once at the kernel's start.
  Value thread();     ///< threadIdx.x
  Value block();      ///< blockIdx.x
  Value blockCount(); ///< gridDim.x
  using emit::Code::lane; ///< of a vector
  Value lane();       ///< thread & 31
  Value warp();       ///< thread / 32
  /// The same value, made uniform over the warp, so that ptxas may keep it in a uniform register.
  Value uniform(Value i32Value);

  //===-- Integers ----------------------------------------------------------------------------------------------===//
  Value word(int64_t value) { return integer(value, i32); }
  Value shiftRightUnsigned(Value a, int64_t bits);
  Value toWord(Value a); ///< to i32, from any integer
  Value toLong(Value a); ///< to i64, with sign
  /// bf16 to f32 and back (nearest even), one value; others as they are.
  Value extend(Value a);
  Value truncate(Value a);
  /// Two f32 as a register of bf16x2 (i32): `low` in the low half.
  Value packBf16(Value low, Value high);

  //===-- Shared memory -----------------------------------------------------------------------------------------===//
  /// The start of the kernel's dynamic shared memory, aligned to 1,024 bytes.
  Value shared();
  /// shared() + a constant number of bytes.
  Value shared(int64_t bytes);
  /// base + bytes (i32), in the base's address space.
  Value offset(Value base, Value bytes);
  Value offset(Value base, int64_t bytes);
  /// A shared address as the 32-bit number that instructions take.
  Value sharedAddress(Value pointer);

  //===-- Memory ------------------------------------------------------------------------------------------------===//
  /// Loads a scalar or vector `type`, aligned to its own size. `readOnly`: no thread writes there while the kernel runs.
  Value loadAs(Type type, Value address, bool readOnly = false);
  /// Stores a scalar or vector, aligned to its own size.
  void storeAs(Value value, Value address);

  //===-- Threads together --------------------------------------------------------------------------------------===//
  /// Barrier of all threads of the block.
  void barrier();
  /// Barrier `id` (1 to 15) of `threads` threads.
  void barrier(int64_t id, int64_t threads);
  void warpBarrier();
  /// `value` (any type of 8 to 64 bits) of the lane `lane ^ mask`. `members`: i32 mask of the lanes that take part.
  Value shuffleXor(Value value, int64_t mask, Value members = {});
  /// `value` of lane `source` (i32).
  Value shuffleFrom(Value value, Value source, Value members = {});
  /// Whether the i1 holds in any lane.
  Value anyInWarp(Value condition, Value members = {});

private:
  Value shuffle(llvm::StringRef name, Value value, Value lane, Value members);
  Value sreg(llvm::StringRef name, Value &cache, int64_t bits = 32);
  Value threadIndex, blockIndex, gridSize, laneIndex, warpIndex, sharedBase;
};

} // namespace caa::nvptx
