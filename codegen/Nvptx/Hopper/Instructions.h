// The instructions of sm_90a that attention kernels are made of, as functions on ThreadCode: mbarriers, bulk tensor copies,
// wgmma, and what goes with them. Addresses in shared memory are 32-bit numbers here, as the instructions take them.
#pragma once

#include "codegen/Nvptx/Core/ThreadCode.h"

namespace caa::nvptx::hopper {

//===-- Barriers ----------------------------------------------------------------------------------------------------===//
void initBarrier(ThreadCode &code, Value barrier, int64_t arrivals);
/// Makes initialised barriers visible to the copy engine; a block barrier must follow.
void fenceBarriers(ThreadCode &code);
/// Waits until the phase of `parity` (i32, 0 or 1) is over.
void waitBarrier(ThreadCode &code, Value barrier, Value parity);
/// Arrives, in the threads where `predicate` (i1) holds.
void arriveBarrier(ThreadCode &code, Value barrier, Value predicate);
void arriveBarriers(ThreadCode &code, ArrayRef<Value> barriers, Value predicate);
/// Arrives and announces `bytes` that bulk copies will bring.
void arriveExpecting(ThreadCode &code, Value barrier, Value bytes, Value predicate);
/// Arrives once this thread's earlier cp.asyncs have landed; counts as one of the barrier's arrivals.
void arriveAfterCopies(ThreadCode &code, Value barrier);
/// Named barrier `id` (i32) of `threads` threads: wait for all, or only be counted.
void syncNamed(ThreadCode &code, Value id, int64_t threads);
void arriveNamed(ThreadCode &code, Value id, int64_t threads);

//===-- Copies ------------------------------------------------------------------------------------------------------===//
/// One box of a rank-4 tensor map, {column, head, token, batch}, to shared memory; its bytes count at `barrier`.
void loadBox(ThreadCode &code, Value target, Value map, ArrayRef<Value> coordinates, Value barrier, Value predicate);
void storeBox(ThreadCode &code, Value source, Value map, ArrayRef<Value> coordinates, Value predicate);
void commitStores(ThreadCode &code, Value predicate);
/// Waits until stores have been read from shared memory (`done`: until they are complete).
void waitStores(ThreadCode &code, Value predicate, bool done);
/// Four bytes of global memory to shared memory, or zero where `present` (i1) does not hold.
void copyWord(ThreadCode &code, Value target, Value source, Value present);
/// Ordinary writes to shared memory become visible to copies and products that are issued later.
void fenceShared(ThreadCode &code);

//===-- Products ----------------------------------------------------------------------------------------------------===//
/// A matrix in shared memory, in rows of 128 bytes with the 128-byte swizzle, as wgmma is told of it.
struct Matrix {
  Value low;         ///< i32: address / 16, and the distance of blocks of 64 columns
  int64_t high = 0;  ///< constant: the distance of groups of 8 rows, the swizzle
};
/// The matrix at `sixteenths` (i32: shared address / 16) whose blocks of 64 columns lie `blockBytes` apart (0: read along columns).
Matrix matrixAt(ThreadCode &code, Value sixteenths, int64_t blockBytes);

/// A matrix without swizzle, made of 8x8 blocks of 128 bytes: `leadingBytes` between blocks along the depth, `strideBytes` between
/// those along rows.
Matrix plainMatrixAt(ThreadCode &code, Value sixteenths, int64_t leadingBytes, int64_t strideBytes);

/// One more step of 16 along the depth of a product, with operands of its own.
struct ExtraStep {
  Matrix a, b;
};

/// Accumulators [64, columns] = A B^T over `depth`: both in shared memory, in blocks of 64 columns of `rowsA` and `rowsB` rows.
/// One commit group; nothing is waited for.
SmallVector<Value> multiplyHeld(ThreadCode &code, Matrix a, Matrix b, int64_t columns, int64_t depth, int64_t rowsA, int64_t rowsB,
                                const ExtraStep *extra = nullptr);
/// sums [64, columns] + A B over `depth` rows of B: A packed to bf16 pairs, 4 registers per 16 columns. No `sums`: from zero.
SmallVector<Value> multiplyPacked(ThreadCode &code, ValueRange sums, ValueRange packed, Matrix b, int64_t columns, int64_t depth);
/// Waits until at most `pending` groups are in flight. `tied`: accumulators (and other f32) that may be touched only after it.
SmallVector<Value> waitProducts(ThreadCode &code, int64_t pending, ValueRange tied);

/// The register pair of bf16 of two f32; stays where it is written.
Value packPair(ThreadCode &code, Value low, Value high);
/// Writes a 16x16 block of bf16 in fragment order: each lane names a row of 16 bytes.
void storeMatrices(ThreadCode &code, Value address, ArrayRef<Value> packed);
/// A copy that no pass sees through, so that what is computed from it is not hoisted out of a loop.
Value opaque(ThreadCode &code, Value word);
/// Registers per thread of this warpgroup from here on.
void setRegisters(ThreadCode &code, int64_t count, bool more);

} // namespace caa::nvptx::hopper
