// Diagnostics for parameters that no gradient reaches. See Unreached.h.
#include "passes/Autodiff/Unreached.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace caa {

/// `model.layers.3.mlp.weight` as `model.layers.*.mlp.weight`.
static std::string withoutLayer(StringRef name) {
  SmallVector<StringRef> words;
  name.split(words, '.');
  for (StringRef &word : words)
    if (llvm::all_of(word, llvm::isDigit))
      word = "*";
  return llvm::join(words, ".");
}

/// Why no gradient reaches a parameter: where what depends on it ends up.
static StringRef explain(ArrayRef<func::FuncOp> sources, StringAttr name) {
  bool leaves = false, stops = false;
  for (func::FuncOp source : sources) {
    DenseSet<Value> depends;
    for (Operation &op : source.getBody().front()) {
      auto param = dyn_cast<ParamOp>(op);
      bool reads = llvm::any_of(op.getOperands(), [&](Value v) { return depends.contains(v); });
      if (!(param && param.getNameAttr().getAttr() == name) && !reads)
        continue;
      depends.insert(op.result_begin(), op.result_end());
      leaves |= isa<LossOp>(op) || op.hasTrait<OpTrait::IsTerminator>();
      stops |= isa<StopOp>(op);
    }
  }
  if (!leaves)
    return "no loss depends on it";
  return stops ? "`stop` holds it back; train it by a `loss`" : "it only selects; train it by a `loss`";
}

LogicalResult reportUnreached(ModuleOp module, ArrayRef<func::FuncOp> sources, const DenseSet<StringAttr> &reached) {
  llvm::MapVector<StringRef, SmallVector<ParameterOp>> groups;
  llvm::StringMap<StringRef> names;
  std::vector<std::string> storage;
  storage.reserve(module.getBody()->getOperations().size());
  for (auto parameter : module.getOps<ParameterOp>()) {
    if (reached.contains(parameter.getSymNameAttr()))
      continue;
    storage.push_back(withoutLayer(parameter.getSymName()));
    auto entry = names.try_emplace(storage.back(), storage.back());
    groups[entry.first->second].push_back(parameter);
  }
  for (auto &[name, parameters] : groups)
    parameters[0].emitError("no gradient reaches `") << (parameters.size() == 1 ? parameters[0].getSymName() : name)
                                                     << "`: " << explain(sources, parameters[0].getSymNameAttr());
  return success(groups.empty());
}

} // namespace caa
