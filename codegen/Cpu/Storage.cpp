// Where tiles lie in scratch. See Plan.h. Blocks are gone through backwards, so that a user which fixes its operand's place
// (a loop its initial values, a body its next ones, a concatenation its parts) comes before the op that computes it.
#include "codegen/Cpu/Plan.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace caa::cpu {

KernelPlan::KernelPlan(func::FuncOp kernel, int64_t lanes) : layouts(kernel), lanes(lanes) {
  kernel.walk([&](Operation *op) {
    if (auto store = dyn_cast<tile::StoreOp>(op))
      written.insert(store.getTarget());
    else if (auto scatter = dyn_cast<tile::ScatterAddOp>(op))
      written.insert(scatter.getTable());
  });
  Block &body = kernel.getBody().front();
  scheduleBlock(body);
  assignSlots(body);
  int counter = 0;
  number(body, counter);
  touchBlock(body);
  placeStorages();
}

std::optional<Slot> KernelPlan::slotOf(Value value) const {
  auto found = slots.find(value);
  return found == slots.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Slot> KernelPlan::copyOf(Value value, Layout layout) const {
  auto found = copies.find({value, int(layout)});
  return found == copies.end() ? std::nullopt : std::optional(found->second);
}

Slot KernelPlan::newSlot(Value value, Layout layout) {
  tile::TileType type = tileOf(value);
  int64_t outer = outerOf(type, layout), inner = innerOf(type, layout);
  int64_t stride = outer == 1 ? inner : inner >= lanes ? llvm::alignTo(inner, 16) : int64_t(llvm::PowerOf2Ceil(inner));
  Storage storage;
  storage.bytes = llvm::alignTo(outer * stride * std::max<int64_t>(1, type.getElement().getIntOrFloatBitWidth() / 8), 64);
  storages.push_back(storage);
  return {int(storages.size()) - 1, 0, stride};
}

// The ops that use a value, or a slice of it.
static void forUses(Value value, function_ref<void(OpOperand &)> visit) {
  for (OpOperand &use : value.getUses()) {
    visit(use);
    if (auto slice = dyn_cast<tile::SliceOp>(use.getOwner()))
      forUses(slice.getResult(), visit);
  }
}

static bool isComputed(Value value) {
  Operation *op = value.getDefiningOp();
  return op && !isa<tile::LoadOp, tile::SliceOp, tile::SplatOp, tile::IotaOp>(op);
}

// Whether `next` may be computed into the place of the carried tile that it replaces.
bool KernelPlan::canOverwrite(Value next, Value carried) const {
  Block *block = carried.getParentBlock();
  Operation *from = next.getDefiningOp(), *end = block->getTerminator();
  if (!isComputed(next) || from->getBlock() != block || layouts.of(next) != layouts.of(carried) ||
      llvm::count(end->getOperands(), next) != 1)
    return false;
  auto place = nodeNumbers.find(from)->second;
  const Node &node = blocks.find(block)->second[place.second];
  bool safe = true;
  forUses(carried, [&](OpOperand &use) {
    Operation *user = use.getOwner(), *top = block->findAncestorOpInBlock(*user);
    if (top == end) {
      safe = false;
      return;
    }
    auto userPlace = nodeNumbers.find(top);
    if (userPlace == nodeNumbers.end() || userPlace->second.second < place.second)
      return; // a slice, whose users count, or an earlier reader
    if (userPlace->second.second > place.second) {
      safe = false;
      return;
    }
    if (node.group)
      safe &= isa<tile::MapOp>(from) && use.get() == carried && iterationType(user) == tileOf(carried) &&
              iterationLayout(user) == layouts.of(carried);
    else if (isa<tile::DotOp>(user))
      safe &= user == top && use.getOperandNumber() == 2;
    else if (isLoop(user) && user == top)
      safe &= use.getOperandNumber() - (isa<tile::SweepOp>(user) ? 2 : 3) == cast<OpResult>(next).getResultNumber();
    else
      safe = false;
  });
  return safe;
}

// Whether a loop may take its initial value's place: nothing else reads that value.
bool KernelPlan::isLastUse(OpOperand &init) const {
  Value value = init.get();
  return isComputed(value) && value.hasOneUse() && value.getParentBlock() == init.getOwner()->getBlock() &&
         !slots.contains(value);
}

void KernelPlan::assignLoop(Operation *op) {
  unsigned skipped = isa<tile::SweepOp>(op) ? 2 : 3; // operands before the initial values
  for (OpResult result : op->getResults()) {
    if (!tileOf(result))
      continue;
    bool fresh = !slots.contains(result);
    Slot slot = fresh ? newSlot(result, layouts.of(result)) : slots[result];
    slots[result] = slot;
    unsigned number = result.getResultNumber();
    OpOperand &init = op->getOpOperand(skipped + number);
    if (fresh && isLastUse(init) && layouts.of(init.get()) == layouts.of(result))
      slots[init.get()] = slot;
    auto sweep = dyn_cast<tile::SweepOp>(op);
    for (Region &region : op->getRegions()) {
      if (sweep && &region == &sweep.getVisit())
        continue;
      Block &body = region.front();
      Value carried = body.getArgument(1 + number), next = body.getTerminator()->getOperand(number);
      slots[carried] = slot;
      if (next != carried && !slots.contains(next) && canOverwrite(next, carried))
        slots[next] = slot;
    }
  }
}

void KernelPlan::assignSlots(Block &block) {
  auto assignCopies = [&](Value value) {
    if (!tileOf(value))
      return;
    for (OpOperand &use : value.getUses()) {
      std::optional<Layout> wanted = layouts.required(use);
      if (wanted && *wanted != layouts.of(value) && !copies.contains({value, int(*wanted)}))
        copies[{value, int(*wanted)}] = newSlot(value, *wanted);
    }
  };
  for (Operation &op : llvm::reverse(block.without_terminator())) {
    if (isLoop(&op))
      assignLoop(&op);
    for (Value result : op.getResults()) {
      if (!tileOf(result) || isa<tile::SliceOp, tile::SplatOp, tile::IotaOp>(op) || slots.contains(result))
        continue;
      if (auto load = dyn_cast<tile::LoadOp>(op)) {
        Access access = accessOf(load);
        if (isReadOnly(access.buffer) && !access.mayBeRagged() && !access.isStridedColumn())
          continue;
      }
      bool leaves = !isa<tile::MapOp>(op) || llvm::any_of(result.getUses(), [&](OpOperand &use) { return !isFused(use); });
      if (leaves)
        slots[result] = newSlot(result, layouts.of(result));
    }
    if (auto concat = dyn_cast<tile::ConcatOp>(op)) {
      Slot slot = slots[concat.getResult()];
      tile::TileType whole = concat.getResult().getType();
      int64_t column = 0;
      for (Value part : concat.getTiles()) {
        bool alike = isFull(tileOf(part)) || whole.getRows() == 1;
        if (alike && isComputed(part) && part.hasOneUse() && part.getParentBlock() == &block && !slots.contains(part) &&
            layouts.of(part) == layouts.of(concat.getResult())) {
          int64_t step = layouts.of(part) == Layout::Rows ? 1 : slot.stride;
          slots[part] = {slot.storage, slot.offset + column * step, slot.stride};
        }
        column += tileOf(part).getColumns();
      }
    }
    if (auto choice = dyn_cast<scf::IfOp>(op))
      for (OpResult result : choice.getResults()) {
        if (!tileOf(result))
          continue;
        const Slot slot = slots[result]; // a copy: the next insertion may move the map's entries
        for (Region *region : choice.getRegions()) {
          Value value = region->front().getTerminator()->getOperand(result.getResultNumber());
          if (isComputed(value) && value.getParentBlock() == &region->front() && value.hasOneUse() &&
              layouts.of(value) == layouts.of(result))
            slots[value] = slot;
        }
      }
    if (!isa<tile::MapOp>(op))
      for (Region &region : op.getRegions())
        if (!region.empty()) {
          assignSlots(region.front());
          for (Value argument : region.front().getArguments())
            assignCopies(argument);
        }
    for (Value result : op.getResults())
      assignCopies(result);
  }
}

//===-- Lifetimes -----------------------------------------------------------------------------------------------------===//

void KernelPlan::number(Block &block, int &counter) {
  for (Node &node : blocks[&block]) {
    node.begin = counter++;
    Operation *op = node.ops.front();
    if (!node.group)
      for (Region &region : op->getRegions())
        if (!region.empty() && blocks.contains(&region.front()))
          number(region.front(), counter);
    node.end = counter++;
    if (!node.group && isLoop(op))
      loops.emplace_back(node.begin, node.end);
  }
}

void KernelPlan::touch(Value value, std::optional<Layout> layout, const Node &node) {
  auto mark = [&](const Slot &slot) {
    Storage &storage = storages[slot.storage];
    storage.begin = storage.begin < 0 ? node.begin : std::min(storage.begin, node.begin);
    storage.end = std::max(storage.end, node.end);
  };
  if (!tileOf(value))
    return;
  auto markCopies = [&](Value tile, std::optional<Layout> only) {
    for (Layout either : {Layout::Rows, Layout::Columns})
      if (auto copy = copyOf(tile, either); copy && (!only || *only == either))
        mark(*copy);
  };
  markCopies(value, layout);
  for (Value step = value;;) {
    if (auto slot = slotOf(step))
      mark(*slot);
    auto slice = step.getDefiningOp<tile::SliceOp>();
    if (!slice)
      break;
    step = slice.getTile();
    markCopies(step, layouts.of(slice.getResult()));
  }
}

void KernelPlan::touchBlock(Block &block) {
  for (const Node &node : blocks[&block])
    for (Operation *op : node.ops) {
      for (OpOperand &operand : op->getOpOperands())
        if (!isFused(operand))
          touch(operand.get(), layouts.required(operand), node);
      for (Value result : op->getResults())
        touch(result, std::nullopt, node);
      if (node.group)
        continue;
      for (Region &region : op->getRegions()) {
        if (region.empty() || !blocks.contains(&region.front()))
          continue;
        for (Value argument : region.front().getArguments())
          touch(argument, std::nullopt, node);
        for (OpOperand &operand : region.front().getTerminator()->getOpOperands()) {
          // Read when the region ends.
          Node end = node;
          const auto &inner = blocks[&region.front()];
          end.begin = inner.empty() ? node.begin : inner.back().end;
          touch(operand.get(), layouts.required(operand), end);
        }
        touchBlock(region.front());
      }
    }
}

void KernelPlan::placeStorages() {
  // What enters a loop from outside must outlive all its iterations.
  for (bool changed = true; changed;) {
    changed = false;
    for (Storage &storage : storages)
      for (auto [begin, end] : loops)
        if (storage.begin >= 0 && storage.begin < begin && storage.end >= begin && storage.end < end)
          storage.end = end, changed = true;
  }
  std::vector<int> order;
  for (size_t n = 0; n < storages.size(); ++n)
    if (storages[n].begin >= 0)
      order.push_back(int(n));
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return storages[a].bytes > storages[b].bytes; });
  std::vector<int> placed;
  for (int number : order) {
    Storage &storage = storages[number];
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (int other : placed)
      if (storages[other].begin <= storage.end && storage.begin <= storages[other].end)
        taken.emplace_back(storages[other].offset, storages[other].offset + storages[other].bytes);
    std::sort(taken.begin(), taken.end());
    int64_t offset = 0;
    for (auto [low, high] : taken) {
      if (offset + storage.bytes <= low)
        break;
      offset = std::max(offset, high);
    }
    storage.offset = offset;
    bytes = std::max(bytes, offset + storage.bytes);
    placed.push_back(number);
  }
}

} // namespace caa::cpu
