// The order of a block's ops and the groups among them. See Plan.h.
#include "codegen/Cpu/Plan.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace caa::cpu {

tile::TileType iterationType(Operation *op) {
  if (auto store = dyn_cast<tile::StoreOp>(op))
    return store.getTile().getType();
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return reduce.getTile().getType();
  if (auto rank = dyn_cast<tile::RankOp>(op))
    return rank.getScores().getType();
  return cast<tile::TileType>(op->getResult(0).getType());
}

Layout KernelPlan::iterationLayout(Operation *op) const {
  tile::TileType type = iterationType(op);
  if (!isFull(type))
    return type.getRows() > 1 ? Layout::Columns : Layout::Rows;
  if (isa<tile::StoreOp>(op))
    return Layout::Rows;
  if (isa<tile::RankOp>(op))
    return Layout::Columns;
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return layouts.of(reduce.getTile());
  return layouts.of(op->getResult(0));
}

bool KernelPlan::isGroupMember(Operation *op) const {
  if (auto store = dyn_cast<tile::StoreOp>(op))
    return !accessOf(store).isStridedColumn();
  return isa<tile::MapOp, tile::ReduceOp, tile::RankOp>(op);
}

int KernelPlan::stageOf(Operation *op) const {
  if (isGroupMember(op))
    return 1;
  if (isa<tile::DotOp, tile::GatherOp, tile::ScatterAddOp, tile::ThresholdOp, tile::ConcatOp, tile::StoreOp>(op) ||
      op->getNumRegions() > 0)
    return 2;
  return 0;
}

// Whether the user can take `operand` from the registers of the group that computes it.
bool KernelPlan::mayFuse(Operation *from, OpOperand &operand) const {
  Operation *user = operand.getOwner();
  if (!isa<tile::MapOp>(from) || !isGroupMember(user))
    return false;
  return tileOf(operand.get()) == iterationType(user) && iterationLayout(from) == iterationLayout(user);
}

// All operands of an op and of what is nested in it.
static void forOperands(Operation *op, function_ref<void(OpOperand &)> visit) {
  op->walk([&](Operation *inner) {
    for (OpOperand &operand : inner->getOpOperands())
      visit(operand);
  });
}

// Buffers that an op and what is nested in it read or write.
static void forBuffers(Operation *op, function_ref<void(Value, bool)> visit) {
  op->walk([&](Operation *inner) {
    if (auto load = dyn_cast<tile::LoadOp>(inner))
      visit(load.getSource(), false);
    else if (auto gather = dyn_cast<tile::GatherOp>(inner))
      visit(gather.getTable(), false);
    else if (auto store = dyn_cast<tile::StoreOp>(inner))
      visit(store.getTarget(), true);
    else if (auto scatter = dyn_cast<tile::ScatterAddOp>(inner))
      visit(scatter.getTable(), true);
  });
}

void KernelPlan::scheduleBlock(Block &block) {
  DenseMap<Operation *, int> levels;
  DenseMap<Value, int> lastWrite, lastRead;
  for (Operation &op : block.without_terminator()) {
    int level = 0;
    forOperands(&op, [&](OpOperand &operand) {
      Operation *from = operand.get().getDefiningOp();
      if (!from || from->getBlock() != &block || from == &op)
        return;
      bool later = stageOf(from) == 2 || (stageOf(from) == 1 && !(operand.getOwner() == &op && mayFuse(from, operand)));
      level = std::max(level, levels[from] + later);
    });
    forBuffers(&op, [&](Value buffer, bool writes) {
      if (auto write = lastWrite.find(buffer); write != lastWrite.end())
        level = std::max(level, write->second + 1);
      if (auto read = lastRead.find(buffer); writes && read != lastRead.end())
        level = std::max(level, read->second + 1);
    });
    levels[&op] = level;
    forBuffers(&op, [&](Value buffer, bool writes) {
      int &last = writes ? lastWrite[buffer] : lastRead.try_emplace(buffer, 0).first->second;
      last = std::max(last, level);
    });
    scheduleNested(op);
  }
  // A map whose every user can take it from registers waits for the first of them.
  for (Operation &op : llvm::reverse(block.without_terminator())) {
    if (!isa<tile::MapOp>(op) || op.use_empty())
      continue;
    int first = INT_MAX;
    for (OpOperand &use : op.getUses())
      first = use.getOwner()->getBlock() == &block && mayFuse(&op, use) ? std::min(first, levels[use.getOwner()]) : INT_MIN;
    for (OpOperand &use : op.getUses())
      if (use.getOwner()->getBlock() != &block || !mayFuse(&op, use))
        first = INT_MIN;
    if (first != INT_MIN && first != INT_MAX)
      levels[&op] = std::max(levels[&op], first);
  }

  std::vector<Node> nodes;
  std::map<std::tuple<int, int64_t, int64_t, int>, size_t> groups;
  for (Operation &op : block.without_terminator()) {
    int level = levels[&op];
    if (!isGroupMember(&op)) {
      Node node;
      node.ops = {&op}, node.level = level, node.stage = stageOf(&op);
      nodes.push_back(node);
      continue;
    }
    tile::TileType type = iterationType(&op);
    Layout layout = iterationLayout(&op);
    int64_t outer = outerOf(type, layout), inner = innerOf(type, layout);
    auto [found, isNew] = groups.try_emplace({level, outer, inner, int(layout)}, nodes.size());
    if (isNew) {
      Node node;
      node.group = true, node.level = level, node.stage = 1;
      node.outer = outer, node.inner = inner, node.layout = layout;
      nodes.push_back(node);
    }
    nodes[found->second].ops.push_back(&op);
  }
  std::stable_sort(nodes.begin(), nodes.end(),
                   [](const Node &a, const Node &b) { return std::tie(a.level, a.stage) < std::tie(b.level, b.stage); });
  for (size_t n = 0; n < nodes.size(); ++n)
    for (Operation *op : nodes[n].ops)
      nodeNumbers[op] = {&block, int(n)};
  blocks[&block] = std::move(nodes);
}

// Blocks of loops and branches; the scalar regions of maps are no blocks of their own.
void KernelPlan::scheduleNested(Operation &op) {
  if (isa<tile::MapOp>(op))
    return;
  for (Region &region : op.getRegions())
    if (!region.empty())
      scheduleBlock(region.front());
}

bool KernelPlan::isFused(OpOperand &operand) const {
  Operation *from = operand.get().getDefiningOp();
  auto a = nodeNumbers.find(from), b = nodeNumbers.find(operand.getOwner());
  return from && a != nodeNumbers.end() && b != nodeNumbers.end() && a->second == b->second && mayFuse(from, operand);
}

const Node *KernelPlan::nodeOf(Operation *op) const {
  auto found = nodeNumbers.find(op);
  if (found == nodeNumbers.end())
    return nullptr;
  return &blocks.find(found->second.first)->second[found->second.second];
}

} // namespace caa::cpu
