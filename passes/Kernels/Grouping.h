// Which ops of an entry function share a kernel. Passes.td states the rule; relies on prepareEntry having run.
#pragma once

#include "dialect/Caa/CaaDialect.h"

namespace caa {

/// What becomes of an op of an entry.
enum class Role {
  Source,    // names a buffer: a parameter, a constant, a loss's scale
  Alias,     // a reshape of what is in memory, for an op that wants it in memory
  Free,      // costs nothing: each kernel that reads it computes it
  Tokenwise, // goes into a kernel over token rows
  PerHead,   // goes into a kernel over per-head values
  Single,    // has a kernel of its own
  Library,   // a matrix product, or a loop around some
  Sink,      // takes a value out of the entry
  Unknown
};

/// Ops that one kernel computes.
struct Group {
  Role role;
  unsigned level;
  llvm::SmallVector<mlir::Operation *> ops; // in the entry's order
};

class EntryGroups {
public:
  EntryGroups(mlir::func::FuncOp entry, int64_t maxRowBytes) : entry(entry), maxRowBytes(maxRowBytes) {}

  /// Fails with a diagnostic where an op has no kernel.
  mlir::LogicalResult form();

  mlir::func::FuncOp getEntry() const { return entry; }
  Role roleOf(mlir::Operation *op) const { return roles.lookup(op); }
  /// The group an op belongs to; null for ops of other roles than Tokenwise, PerHead and Single.
  Group *groupOf(mlir::Operation *op) const { return groupOfOp.lookup(op); }
  /// Calls `visit` with each value that `value` is made of once free ops are computed by their reader: itself unless a
  /// free op makes it. The operands `like` are left out.
  void visitRoots(mlir::Value value, llvm::function_ref<void(mlir::Value)> visit) const;
  /// Whether an op needs an operand as a whole buffer.
  bool readsMemory(mlir::OpOperand &operand) const;

private:
  Role classify(mlir::Operation *op) const;
  bool isInMemory(mlir::Value value) const;
  void pinFreeOps();
  void copyShared();
  void computeLevels();
  void delayRecomputed();
  bool isLast(mlir::Operation *op) const;
  unsigned nextReader(mlir::Operation *op, unsigned least) const;
  unsigned levelAfter(mlir::Value value) const;
  void visitReaders(mlir::Value value, llvm::function_ref<void(mlir::Operation *)> visit) const;
  llvm::SmallVector<mlir::Value> rootsOf(mlir::Operation *op) const;
  void merge();
  void mergeWithProducers(mlir::Operation *op);
  void mergeReaders(llvm::ArrayRef<mlir::Operation *> ops);
  enum class Refusal { None, Cycle, Cache };
  Refusal tryMerge(Group *a, Group *b);
  bool reachesAround(Group *from, Group *to) const;
  int64_t rowBytes(llvm::ArrayRef<Group *> groups) const;

  mlir::func::FuncOp entry;
  int64_t maxRowBytes;
  llvm::DenseMap<mlir::Operation *, Role> roles;
  llvm::DenseMap<mlir::Operation *, unsigned> levels;
  llvm::DenseMap<mlir::Operation *, unsigned> positions;
  llvm::DenseMap<mlir::Operation *, Group *> groupOfOp;
  std::vector<std::unique_ptr<Group>> groups;
};

} // namespace caa
