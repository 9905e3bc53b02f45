// What is decided about a kernel before any code is written: the order of its ops, which of them share one pass over their
// tiles, and where each tile lies in the thread's scratch.
//
// Ops of a block are put on levels by their dependences. Maps, reductions, stores and `rank` of one level that run over
// tiles of one shape and layout form a *group*: one loop nest that keeps what flows between them in registers. All other
// ops stand alone. Within a level, what only names places and scalars comes first, then groups, then products and loops.
//
// A tile that leaves its group gets a *slot*: a storage and a place in it. Storages live from first to last touch (to the end
// of a loop that they enter) and share the scratch. Loop-carried tiles keep one slot through all iterations: the value that
// the body ends with is computed into it where all reads of the old one come before, and copied otherwise.
#pragma once

#include "codegen/Cpu/Layouts.h"
#include "codegen/Llvm/Access.h"

namespace caa::cpu {

struct Node {
  bool group = false;
  llvm::SmallVector<mlir::Operation *> ops; ///< one, or the members of a group in order
  int level = 0;
  int stage = 0; ///< within a level: 0 scalars and places, 1 groups, 2 all else
  // Groups: the shape of their tiles as they lie.
  int64_t outer = 1, inner = 1;
  Layout layout = Layout::Rows;
  int begin = 0, end = 0; ///< place in the order of all nodes
};

struct Storage {
  int64_t bytes = 0, offset = 0;
  int begin = -1, end = -1;
};

struct Slot {
  int storage = -1;
  int64_t offset = 0; ///< elements
  int64_t stride = 0; ///< elements from one row (as it lies) to the next
  bool operator==(const Slot &other) const = default;
};

/// The tile that a group member runs over.
tile::TileType iterationType(mlir::Operation *op);
using emit::Access;
using emit::accessOf;

class KernelPlan {
public:
  explicit KernelPlan(mlir::func::FuncOp kernel, int64_t lanes);

  const Layouts layouts;
  llvm::ArrayRef<Node> nodesOf(mlir::Block *block) const { return blocks.find(block)->second; }
  std::optional<Slot> slotOf(mlir::Value value) const;
  /// The slot of a transposed copy, made where the value is.
  std::optional<Slot> copyOf(mlir::Value value, Layout layout) const;
  const Storage &storage(int number) const { return storages[number]; }
  Layout iterationLayout(mlir::Operation *op) const;
  /// Whether `operand` reads what another member of its group computes, at the same place.
  bool isFused(mlir::OpOperand &operand) const;
  bool isReadOnly(mlir::Value buffer) const { return !written.contains(buffer); }
  int64_t scratchBytes() const { return bytes; }

private:
  using Touch = llvm::function_ref<void(mlir::Value, std::optional<Layout>)>;
  // Schedule.cpp
  void scheduleBlock(mlir::Block &block);
  void scheduleNested(mlir::Operation &op);
  bool mayFuse(mlir::Operation *from, mlir::OpOperand &operand) const;
  bool isGroupMember(mlir::Operation *op) const;
  int stageOf(mlir::Operation *op) const;
  // Storage.cpp
  void assignSlots(mlir::Block &block);
  void assignLoop(mlir::Operation *op);
  Slot newSlot(mlir::Value value, Layout layout);
  bool canOverwrite(mlir::Value next, mlir::Value carried) const;
  bool isLastUse(mlir::OpOperand &init) const;
  void number(mlir::Block &block, int &counter);
  void touchBlock(mlir::Block &block);
  void touch(mlir::Value value, std::optional<Layout> layout, const Node &node);
  void placeStorages();
  const Node *nodeOf(mlir::Operation *op) const;

  int64_t lanes;
  llvm::DenseSet<mlir::Value> written;
  llvm::DenseMap<mlir::Block *, std::vector<Node>> blocks;
  llvm::DenseMap<mlir::Operation *, std::pair<mlir::Block *, int>> nodeNumbers;
  llvm::DenseMap<mlir::Value, Slot> slots;
  llvm::DenseMap<std::pair<mlir::Value, int>, Slot> copies;
  std::vector<Storage> storages;
  std::vector<std::pair<int, int>> loops;
  int64_t bytes = 0;
};

} // namespace caa::cpu
