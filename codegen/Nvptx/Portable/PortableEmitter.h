// Writes a held-and-swept kernel for cp.async and mma.sync. See Portable.h.
#pragma once

#include "codegen/Nvptx/Fragments/FragmentEmitter.h"
#include "codegen/Nvptx/Portable/SharedPlan.h"

namespace caa::nvptx {

class PortableEmitter : public FragmentEmitter {
public:
  PortableEmitter(Frame &frame, Fragments &fragments, const SharedPlan &plan, ScalarOptions options);
  mlir::LogicalResult run();

protected:
  mlir::LogicalResult emitWideLoad(tile::LoadOp load) override;
  mlir::LogicalResult emitNarrowLoad(tile::LoadOp load) override;
  mlir::LogicalResult emitDot(tile::DotOp dot) override;
  mlir::LogicalResult emitSweep(tile::SweepOp sweep) override;
  void beginIteration() override;
  void endLoop() override;

private:
  /// A wide tile in shared memory: `base` is the 32-bit address of its first element.
  struct Place {
    Value base;
    const SharedTile *tile = nullptr;
  };
  /// An operand of a product: in registers or in shared memory.
  struct Operand {
    const Fragment *fragment = nullptr;
    std::optional<Place> place;
  };

  Value workItem();
  void clearShared();
  // Copies (EmitCopies.cpp): all threads together, asynchronous but for rows of odd length.
  void copyTile(const SharedTile &tile, tile::LoadOp load, ValueRange indices, Value target);
  void copyRow(const SharedTile &tile, tile::LoadOp load, ValueRange indices, Value target);
  void copyElements(const SharedTile &tile, Value source, int64_t stride, Value left, Value target);
  void commitCopies();
  void awaitCopies(int64_t pending);
  void copyStage(const Ring &ring, tile::SweepOp sweep, Value p, Value stage);
  /// The first tile from p on that is visited, and its body.
  mlir::FailureOr<std::pair<Value, Value>> advance(tile::SweepOp sweep, Value p);
  /// Before what others may still read is overwritten.
  void beforeWrites();
  /// Before held tiles are read outside of sweeps.
  void beforeReads();

  // Products (EmitProducts.cpp).
  Operand operandOf(Value value);
  void multiplyBf16(const Operand &a, const Place &b, bool transposeB, int64_t depth, Fragment &sum);
  void multiplyF32(const Operand &a, const Place &b, bool transposeB, int64_t depth, Fragment &sum);
  mlir::LogicalResult multiplyVector(tile::DotOp dot);

  const SharedPlan &plan;
  llvm::DenseMap<Value, Place> places;
  Value sharedBase; ///< i32 address of the block's shared memory
  Value stageStart; ///< bytes from there to the present stage, i32
  bool unread = true;   ///< no thread reads shared memory since the last barrier
  bool arriving = false; ///< copies of held tiles may be under way
};

} // namespace caa::nvptx
