// Which ops of an entry function share a kernel. See Grouping.h.
#include "passes/Kernels/Grouping.h"

#include "dialect/Caa/Rounding.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace caa {
namespace {

constexpr int64_t freeElements = 4096; // per-head values up to this size are computed by each kernel that reads them

bool isGrouped(Role role) { return role == Role::Tokenwise || role == Role::PerHead || role == Role::Single; }

int64_t bytesPerToken(Value value) {
  if (!isTokenwise(value.getType()))
    return 0;
  Shape shape = shapeOf(value);
  return shape.heads * shape.width * std::max<int64_t>(1, elementOf(value).getIntOrFloatBitWidth() / 8);
}

bool isLike(OpOperand &operand) {
  if (isa<IndexOp, HasNextOp>(operand.getOwner()))
    return true;
  return isa<BroadcastOp>(operand.getOwner()) && operand.getOperandNumber() == 1;
}

bool isRecomputed(Operation *op) { return op->hasAttr("caa.recomputed"); }

} // namespace

bool EntryGroups::isInMemory(Value value) const {
  Operation *def = value.getDefiningOp();
  if (!def)
    return true;
  Role role = roleOf(def);
  return role == Role::Source || role == Role::Alias || role == Role::Library || role == Role::Single;
}

Role EntryGroups::classify(Operation *op) const {
  if (isa<ParamOp, LossScaleOp>(op))
    return Role::Source;
  if (auto constant = dyn_cast<ConstantOp>(op))
    return isa<SplatElementsAttr>(constant.getValue()) ? Role::Free : Role::Source;
  if (isa<LinearOp, LinearAddOp, LinearInputGradOp, LinearWeightGradOp, ChunkedHeadLossOp>(op))
    return Role::Library;
  if (isa<AccumulateOp, AccumulateLossOp, AccumulateCountOp, AccumulateReportOp, LogitsOp>(op))
    return Role::Sink;
  if (isa<AttendOp, EmbedGradOp, CrossEntropyOp, CrossEntropyGradOp, ReportPartialsOp, CumsumOp, PoolOp, ShiftOp, HoldOp>(op))
    return Role::Single;
  if (isa<IndexOp, HasNextOp, AsHeadOp, BroadcastOp>(op))
    return Role::Free;
  if (auto map = dyn_cast<MapOp>(op); map && isWidening(map))
    return Role::Free; // what is in memory is bf16
  auto isFreeOrInMemory = [&](Value value) { return isInMemory(value) || roleOf(value.getDefiningOp()) == Role::Free; };
  if (isa<SliceOp, ReshapeOp>(op) && isFreeOrInMemory(op->getOperand(0)))
    return Role::Free;
  if (isa<EmbedOp, RopeOp, RopeTableOp, PartialSumsOp>(op))
    return Role::Tokenwise;
  if (isa<SumPartialsOp, CombineReportsOp>(op))
    return Role::PerHead;
  if (!isa<MapOp, ReduceWidthOp, ReduceHeadsOp, SliceOp, ConcatOp, ReshapeOp, AsRowOp>(op))
    return Role::Unknown;
  if (isTokenwise(op->getResult(0).getType()))
    return Role::Tokenwise;
  bool isSmall = llvm::all_of(op->getResultTypes(),
                              [](Type type) { return cast<ShapedType>(type).getNumElements() <= freeElements; });
  return isSmall && llvm::all_of(op->getOperands(), isFreeOrInMemory) ? Role::Free : Role::PerHead;
}

bool EntryGroups::readsMemory(OpOperand &operand) const {
  Operation *op = operand.getOwner();
  if (isLike(operand))
    return false;
  if (auto embed = dyn_cast<EmbedOp>(op))
    return operand.getOperandNumber() == 1;
  return isa<AsHeadOp, SumPartialsOp, CombineReportsOp>(op) ||
         !(roleOf(op) == Role::Free || roleOf(op) == Role::Tokenwise || roleOf(op) == Role::PerHead);
}

LogicalResult EntryGroups::form() {
  Block &block = entry.getBody().front();
  for (Operation &op : block.without_terminator()) {
    roles[&op] = classify(&op);
    if (roles[&op] == Role::Unknown)
      return op.emitOpError("has no kernel form");
  }
  roles[block.getTerminator()] = Role::Sink;
  copyShared();
  pinFreeOps();
  unsigned position = 0;
  for (Operation &op : block)
    positions[&op] = position++;
  computeLevels();
  delayRecomputed();
  merge();
  return success();
}

/// A sink that a kernel or a product must add into, but whose value has other uses or no op that can add, gets a copy
/// that can.
void EntryGroups::copyShared() {
  for (Operation &op : llvm::make_early_inc_range(entry.getBody().front())) {
    auto sink = dyn_cast<AccumulateOp>(op);
    if (!sink)
      continue;
    Value value = sink.getValue();
    Operation *def = value.getDefiningOp();
    bool adds = def && (roleOf(def) == Role::PerHead ||
                        (value.hasOneUse() && isa<LinearWeightGradOp, ChunkedHeadLossOp, EmbedGradOp>(def)));
    if (adds || cast<RankedTensorType>(value.getType()).getRank() != 2)
      continue;
    OpBuilder builder(sink);
    auto copy = MapOp::create(builder, sink.getLoc(), value.getType(), value);
    Block &block = copy.getBody().emplaceBlock();
    block.addArgument(elementOf(value), sink.getLoc());
    builder.setInsertionPointToStart(&block);
    YieldOp::create(builder, sink.getLoc(), ValueRange(block.getArgument(0)));
    sink.getValueMutable().set(copy.getResult(0));
    roles[copy] = Role::PerHead;
  }
}

/// A free op that is wanted in memory is computed once by some kernel, beside those that compute it for themselves.
void EntryGroups::pinFreeOps() {
  // From the end: a pinned op may want its operand in memory too.
  SmallVector<Operation *> ops;
  for (Operation &op : entry.getBody().front())
    ops.push_back(&op);
  for (Operation *op : llvm::reverse(ops)) {
    if (roleOf(op) != Role::Free)
      continue;
    Operation *pinned = nullptr;
    for (OpResult result : op->getResults())
      for (OpOperand &use : llvm::make_early_inc_range(result.getUses())) {
        if (!readsMemory(use))
          continue;
        if (!pinned) {
          pinned = op->clone();
          op->getBlock()->getOperations().insertAfter(op->getIterator(), pinned);
          bool isAlias = isa<ReshapeOp>(op) && isInMemory(op->getOperand(0));
          roles[pinned] = isAlias ? Role::Alias : isTokenwise(result.getType()) ? Role::Tokenwise : Role::PerHead;
        }
        use.set(pinned->getResult(result.getResultNumber()));
      }
  }
}

void EntryGroups::visitRoots(Value value, function_ref<void(Value)> visit) const {
  Operation *def = value.getDefiningOp();
  if (!def || roleOf(def) != Role::Free)
    return visit(value);
  for (OpOperand &operand : def->getOpOperands())
    if (!isLike(operand))
      visitRoots(operand.get(), visit);
}

SmallVector<Value> EntryGroups::rootsOf(Operation *op) const {
  SmallVector<Value> roots;
  for (OpOperand &operand : op->getOpOperands())
    if (!isLike(operand))
      visitRoots(operand.get(), [&](Value root) {
        if (!llvm::is_contained(roots, root))
          roots.push_back(root);
      });
  return roots;
}

/// The ops that read a value, themselves or through free ops.
void EntryGroups::visitReaders(Value value, function_ref<void(Operation *)> visit) const {
  for (OpOperand &use : value.getUses()) {
    if (isLike(use))
      continue;
    if (roleOf(use.getOwner()) != Role::Free) {
      visit(use.getOwner());
      continue;
    }
    for (Value result : use.getOwner()->getResults())
      visitReaders(result, visit);
  }
}

//===-- Levels --===//

/// Whether readers of an op's results must wait for the whole op.
static bool isBarrier(Operation *op, Role role) {
  return role == Role::Library || role == Role::Single || isa<PartialSumsOp>(op);
}

unsigned EntryGroups::levelAfter(Value value) const {
  Operation *def = value.getDefiningOp();
  return def ? levels.lookup(def) + isBarrier(def, roleOf(def)) : 0;
}

void EntryGroups::computeLevels() {
  for (Operation &op : entry.getBody().front()) {
    unsigned level = 0;
    for (OpOperand &operand : op.getOpOperands())
      if (!isLike(operand))
        level = std::max(level, levelAfter(operand.get()));
    levels[&op] = level;
  }
}

/// Whether an op only feeds sinks, as a weight's gradient does: nothing waits for it.
bool EntryGroups::isLast(Operation *op) const {
  return roleOf(op) == Role::Library &&
         llvm::all_of(op->getUsers(), [&](Operation *user) { return roleOf(user) == Role::Sink; });
}

/// The first level from `least` on at which another op reads what `op`, or what is computed again for it, reads;
/// `least` if none does.
unsigned EntryGroups::nextReader(Operation *op, unsigned least) const {
  unsigned first = ~0u;
  llvm::SmallPtrSet<Operation *, 8> chain = {op};
  SmallVector<Operation *> stack = {op};
  while (!stack.empty())
    for (Value root : rootsOf(stack.pop_back_val())) {
      if (Operation *def = root.getDefiningOp(); def && isRecomputed(def) && chain.insert(def).second)
        stack.push_back(def);
      visitReaders(root, [&](Operation *reader) {
        if (roleOf(reader) == Role::Tokenwise && !isRecomputed(reader) && levels.lookup(reader) >= least)
          first = std::min(first, levels.lookup(reader));
      });
    }
  return first == ~0u ? least : first;
}

/// Ops that are computed again move to the level of their first reader, so that they share a kernel with it. A product
/// that nothing waits for can come later: it draws nothing forward. What only such products read goes where another op
/// reads the same, if one does after that.
void EntryGroups::delayRecomputed() {
  constexpr unsigned never = ~0u;
  for (Operation &op : llvm::reverse(entry.getBody().front())) {
    if (!isRecomputed(&op) || roleOf(&op) == Role::Free)
      continue;
    unsigned first = never, last = never;
    for (Value result : op.getResults())
      visitReaders(result, [&](Operation *reader) {
        unsigned &level = isLast(reader) ? last : first;
        level = std::min(level, levels.lookup(reader));
      });
    if (first == never && last != never)
      first = std::max(last, nextReader(&op, last));
    unsigned delay = isBarrier(&op, roleOf(&op));
    if (first != never && first >= delay)
      levels[&op] = std::max(levels[&op], first - delay);
  }
  for (Operation &op : entry.getBody().front())
    for (OpOperand &operand : op.getOpOperands())
      if (!isLike(operand))
        levels[&op] = std::max(levels[&op], levelAfter(operand.get()));
}

//===-- Groups --===//

void EntryGroups::merge() {
  std::map<std::pair<unsigned, Role>, SmallVector<Operation *>> buckets;
  for (Operation &op : entry.getBody().front()) {
    Role role = roleOf(&op);
    if (!isGrouped(role))
      continue;
    groups.push_back(std::make_unique<Group>(Group{role, levels[&op], {&op}}));
    groupOfOp[&op] = groups.back().get();
    if (role != Role::Single)
      buckets[{levels[&op], role}].push_back(&op);
  }
  for (auto &[key, ops] : buckets)
    for (Operation *op : ops)
      mergeWithProducers(op);
  for (auto &[key, ops] : buckets)
    if (key.second == Role::Tokenwise)
      mergeReaders(ops);
  // Sums end a kernel: their place in the entry shall not tell equal kernels apart.
  for (std::unique_ptr<Group> &group : groups)
    std::stable_partition(group->ops.begin(), group->ops.end(), [](Operation *op) { return !isa<PartialSumsOp>(op); });
}

void EntryGroups::mergeWithProducers(Operation *op) {
  for (Value root : rootsOf(op)) {
    Operation *def = root.getDefiningOp();
    if (!def || (roleOf(def) != Role::Tokenwise && roleOf(def) != Role::PerHead))
      continue;
    auto refuse = [&](StringRef reason) {
      remark::missed(op->getLoc(), remark::RemarkOpts::name("separate-kernel").category("fuse").function(entry.getSymName()))
          << ("reads from memory what an earlier kernel computed: " + reason).str();
    };
    if (roleOf(op) != roleOf(def))
      refuse(roleOf(def) == Role::PerHead ? "a value of all tokens must be complete first"
                                          : "a sum over tokens ends a kernel");
    else if (levels[op] != levels[def])
      refuse(isRecomputed(op) ? "it is computed again later"
                              : "a product, an attention or a sum over tokens lies between");
    else if (Refusal refusal = tryMerge(groupOf(def), groupOf(op)); refusal == Refusal::Cache)
      refuse("one token's values would not fit the cache");
    else if (refusal == Refusal::Cycle)
      refuse("each kernel would wait for the other");
  }
}

void EntryGroups::mergeReaders(ArrayRef<Operation *> ops) {
  llvm::MapVector<Value, SmallVector<Operation *>> readers;
  for (Operation *op : ops)
    for (Value root : rootsOf(op))
      if (isTokenwise(root.getType()))
        readers[root].push_back(op);
  for (auto &[root, list] : readers)
    for (Operation *op : list) {
      Group *a = groupOf(list.front()), *b = groupOf(op);
      if (a != b && 8 * bytesPerToken(root) >= std::min(rowBytes({a}), rowBytes({b})))
        tryMerge(a, b);
    }
}

/// Bytes of all distinct values of one token that the groups read or compute.
int64_t EntryGroups::rowBytes(ArrayRef<Group *> list) const {
  llvm::SmallDenseSet<Value> values;
  for (Group *group : list)
    for (Operation *op : group->ops) {
      for (Value root : rootsOf(op))
        values.insert(root);
      for (Value result : op->getResults())
        values.insert(result);
    }
  int64_t bytes = 0;
  for (Value value : values)
    bytes += bytesPerToken(value);
  return bytes;
}

EntryGroups::Refusal EntryGroups::tryMerge(Group *a, Group *b) {
  if (a == b)
    return Refusal::None;
  if (a->role == Role::Tokenwise && rowBytes({a, b}) > maxRowBytes)
    return Refusal::Cache;
  if (reachesAround(a, b) || reachesAround(b, a))
    return Refusal::Cycle;
  for (Operation *op : b->ops)
    groupOfOp[op] = a;
  a->ops.append(b->ops);
  llvm::sort(a->ops, [&](Operation *x, Operation *y) { return positions.lookup(x) < positions.lookup(y); });
  b->ops.clear();
  return Refusal::None;
}

/// Whether a path leads from one group to another through a third. Only groups of the same level can lie on it.
bool EntryGroups::reachesAround(Group *from, Group *to) const {
  llvm::SmallPtrSet<Group *, 8> seen;
  SmallVector<Group *> stack = {from};
  while (!stack.empty()) {
    Group *group = stack.pop_back_val();
    bool found = false;
    for (Operation *op : group->ops)
      for (Value result : op->getResults())
        visitReaders(result, [&](Operation *reader) {
          Group *next = groupOf(reader);
          if (!next || next->level != from->level || next == group || isa<PartialSumsOp>(op))
            return;
          if (next == to)
            found |= group != from;
          else if (next != from && seen.insert(next).second)
            stack.push_back(next);
        });
    if (found)
      return true;
  }
  return false;
}

} // namespace caa
