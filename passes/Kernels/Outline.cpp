// Kernel functions from groups, one per structure, and the entry that launches them. See Outline.h.
#include "passes/Kernels/Outline.h"

using namespace mlir;

namespace caa {

//===-- The table of kernels --===//

static size_t hashOf(func::FuncOp function) {
  llvm::hash_code hash = llvm::hash_combine(function.getFunctionType(), function.getResAttrsAttr());
  function.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    hash = llvm::hash_combine(hash, op->getName(), op->getAttrDictionary(), op->getNumOperands(),
                              llvm::hash_combine_range(op->result_type_begin(), op->result_type_end()));
  });
  return hash;
}

static bool isEqual(func::FuncOp a, func::FuncOp b) {
  return a.getFunctionType() == b.getFunctionType() && a.getResAttrsAttr() == b.getResAttrsAttr() &&
         OperationEquivalence::isRegionEquivalentTo(&a.getBody(), &b.getBody(), OperationEquivalence::IgnoreLocations);
}

KernelTable::KernelTable(ModuleOp module) : module(module), symbols(module) {
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr("caa.kernel"))
      byHash[hashOf(function)].push_back(function);
}

func::FuncOp KernelTable::add(func::FuncOp candidate, StringRef prefix) {
  SmallVector<func::FuncOp, 1> &bucket = byHash[hashOf(candidate)];
  for (func::FuncOp known : bucket)
    if (isEqual(known, candidate)) {
      candidate.erase();
      return known;
    }
  std::string name;
  do
    name = (prefix + "_" + Twine(numbers[prefix]++)).str();
  while (symbols.lookup(name));
  candidate.setSymName(name);
  symbols.insert(candidate, module.getBody()->end());
  bucket.push_back(candidate);
  ++count;
  return candidate;
}

func::FuncOp createKernel(Location location, TypeRange inputs) {
  OpBuilder builder(location.getContext());
  auto kernel = func::FuncOp::create(location, "kernel", builder.getFunctionType(inputs, {}));
  kernel.setPrivate();
  kernel->setAttr("caa.kernel", builder.getUnitAttr());
  kernel.addEntryBlock();
  return kernel;
}

void finishKernel(func::FuncOp kernel, ValueRange outputs, ArrayRef<int64_t> accumulates) {
  OpBuilder builder = OpBuilder::atBlockEnd(&kernel.getBody().front());
  func::ReturnOp::create(builder, kernel.getLoc(), outputs);
  kernel.setFunctionType(builder.getFunctionType(kernel.getArgumentTypes(), outputs.getTypes()));
  for (int64_t output : accumulates)
    kernel.setResultAttr(output, "caa.accumulates", builder.getUnitAttr());
}

//===-- One group --===//

namespace {

bool isAddingSink(Operation *op) {
  return isa<AccumulateOp, AccumulateLossOp, AccumulateCountOp, AccumulateReportOp>(op);
}

class Outliner {
public:
  Outliner(EntryGroups &groups, KernelTable &kernels)
      : groups(groups), kernels(kernels), block(groups.getEntry().getBody().front()) {}

  unsigned run() {
    SmallVector<Operation *> ops;
    for (Operation &op : block) {
      ops.push_back(&op);
      noteReads(&op);
    }
    for (Operation *op : ops)
      if (Role role = groups.roleOf(op); role != Role::Free && !groups.groupOf(op))
        emit(op);
    for (Operation *op : llvm::reverse(ops))
      if (groups.roleOf(op) == Role::Free || groups.groupOf(op) ||
          (groups.roleOf(op) == Role::Source && op->use_empty()))
        op->erase();
    return launches;
  }

private:
  /// Notes which values are read by another unit than the one that computes them, apart from sinks that kernels add
  /// into.
  void noteReads(Operation *op) {
    Role role = groups.roleOf(op);
    if (role == Role::Free)
      return;
    for (OpOperand &operand : op->getOpOperands())
      groups.visitRoots(operand.get(), [&](Value root) {
        Operation *def = root.getDefiningOp();
        if (def && groups.groupOf(def) && groups.groupOf(def) != groups.groupOf(op) && !isAddingSink(op))
          readElsewhere.insert(root);
      });
  }

  /// Emits what computes a value, then the op itself.
  void emit(Operation *op) {
    if (Group *group = groups.groupOf(op)) {
      if (!emittedGroups.insert(group).second)
        return;
      SmallVector<Value> inputs = inputsOf(*group);
      emitProducers(inputs);
      launch(*group, inputs);
      return;
    }
    if (!emittedOps.insert(op).second)
      return;
    emitProducers(op->getOperands());
    for (OpOperand &operand : op->getOpOperands())
      if (!isAddingSink(op) || !sinkResults.contains(op))
        operand.set(now(operand.get()));
    if (Value result = sinkResults.lookup(op))
      op->setOperand(0, result);
    if (op != block.getTerminator())
      op->moveBefore(block.getTerminator());
  }

  void emitProducers(ValueRange values) {
    for (Value value : llvm::to_vector(values))
      if (Operation *def = value.getDefiningOp(); def && !isa<LaunchOp>(def))
        emit(def);
  }

  Value now(Value value) const {
    Value result = launched.lookup(value);
    return result ? result : value;
  }

  /// What a group reads from memory, in the order of its ops.
  SmallVector<Value> inputsOf(const Group &group) {
    llvm::SetVector<Value> inputs;
    Value like;
    std::function<void(Operation *)> collect = [&](Operation *op) {
      for (OpOperand &operand : op->getOpOperands()) {
        Value value = operand.get();
        Operation *def = value.getDefiningOp();
        if (isLikeOperand(operand))
          like = value;
        else if (def && groups.roleOf(def) == Role::Free)
          collect(def);
        else if (!def || groups.groupOf(def) != &group)
          inputs.insert(value);
      }
    };
    for (Operation *op : group.ops)
      collect(op);
    if (like && llvm::none_of(inputs, [](Value value) { return isTokenwise(value.getType()); }))
      inputs.insert(like);
    return inputs.takeVector();
  }

  static bool isLikeOperand(OpOperand &operand) {
    return isa<IndexOp, HasNextOp>(operand.getOwner()) ||
           (isa<BroadcastOp>(operand.getOwner()) && operand.getOperandNumber() == 1);
  }

  void launch(Group &group, ArrayRef<Value> inputs) {
    Location location = group.ops.front()->getLoc();
    func::FuncOp kernel = createKernel(location, TypeRange(ValueRange(inputs)));
    OpBuilder builder = OpBuilder::atBlockEnd(&kernel.getBody().front());
    IRMapping mapping;
    mapping.map(inputs, kernel.getArguments());
    Value like;
    for (BlockArgument argument : kernel.getArguments())
      if (!like && isTokenwise(argument.getType()))
        like = argument;
    for (Operation *op : group.ops)
      cloneInto(builder, op, mapping, like);

    SmallVector<Value> outputs, originals; // an original is null where a sink takes the output
    SmallVector<Operation *> sinks;
    SmallVector<int64_t> accumulates, chunks;
    bool hasChunks = false;
    auto addOutput = [&](Value value, Operation *sink) {
      auto partials = value.getDefiningOp<PartialSumsOp>();
      auto reports = value.getDefiningOp<ReportPartialsOp>();
      chunks.push_back(partials ? partials.getChunk() : reports ? reports.getChunk() : 0);
      hasChunks |= chunks.back() != 0;
      if (sink || isa<EmbedGradOp>(value.getDefiningOp()))
        accumulates.push_back(outputs.size());
      outputs.push_back(mapping.lookup(value));
      originals.push_back(sink ? Value() : value);
      sinks.push_back(sink);
    };
    for (Operation *op : group.ops)
      for (Value result : op->getResults()) {
        if (readElsewhere.contains(result))
          addOutput(result, nullptr);
        for (Operation *user : result.getUsers())
          if (isAddingSink(user))
            addOutput(result, user);
      }
    finishKernel(kernel, outputs, accumulates);
    SmallVector<Type> types(kernel.getResultTypes());
    kernel = kernels.add(kernel, nameOf(group));

    builder.setInsertionPoint(block.getTerminator());
    SmallVector<Value> operands = llvm::map_to_vector(inputs, [&](Value value) { return now(value); });
    auto launch =
        LaunchOp::create(builder, location, types, kernel.getSymName(), operands,
                         accumulates.empty() ? DenseI64ArrayAttr() : builder.getDenseI64ArrayAttr(accumulates),
                         hasChunks ? builder.getDenseI64ArrayAttr(chunks) : DenseI64ArrayAttr());
    for (auto [original, sink, result] : llvm::zip(originals, sinks, launch.getResults())) {
      if (sink)
        sinkResults[sink] = result;
      else
        launched[original] = result;
    }
    ++launches;
  }

  /// Clones an op, and before it the free ops it reads. `like` is replaced by a token-wise input.
  void cloneInto(OpBuilder &builder, Operation *op, IRMapping &mapping, Value like) {
    for (OpOperand &operand : op->getOpOperands()) {
      Operation *def = operand.get().getDefiningOp();
      if (!isLikeOperand(operand) && def && groups.roleOf(def) == Role::Free && !mapping.contains(operand.get()))
        cloneInto(builder, def, mapping, like);
    }
    Operation *clone = builder.clone(*op, mapping);
    clone->removeAttr("caa.recomputed");
    for (OpOperand &operand : clone->getOpOperands())
      if (isLikeOperand(operand))
        operand.set(like);
  }

  static StringRef nameOf(const Group &group) {
    Operation *first = group.ops.front();
    if (group.role == Role::Tokenwise)
      return "tokenwise";
    if (group.role == Role::PerHead)
      return isa<SumPartialsOp, CombineReportsOp>(first) ? "sum" : "per_head";
    return isa<ReportPartialsOp>(first) ? "report" : first->getName().stripDialect();
  }

  EntryGroups &groups;
  KernelTable &kernels;
  Block &block;
  DenseSet<Value> readElsewhere;
  DenseMap<Value, Value> launched;          // a value of a group: the result of its launch
  DenseMap<Operation *, Value> sinkResults; // a sink: the result that adds into its buffer
  llvm::SmallPtrSet<Group *, 32> emittedGroups;
  llvm::SmallPtrSet<Operation *, 32> emittedOps;
  unsigned launches = 0;
};

} // namespace

unsigned outlineGroups(EntryGroups &groups, KernelTable &kernels) { return Outliner(groups, kernels).run(); }

} // namespace caa
