// See Analysis.h. Counting is passes/Lower/Attend/CountVisits; this gathers layers and writes JSON.
#include "codegen/Analysis/Analysis.h"
#include "codegen/Schedule/Schedule.h"
#include "dialect/Caa/CaaDialect.h"
#include "passes/Lower/Attend/CountVisits.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/JSON.h"

using namespace mlir;

namespace caa {

namespace json = llvm::json;

/// Whether the attend is of the forward pass: one that only sums is an adjoint, which visits the same tiles.
static bool isForward(AttendOp attend) {
  return !llvm::all_of(attend.getReductionList(), [](ReductionAttr r) { return r.getKind() == ReductionKind::Sum; });
}

/// What two attends share if their kernels visit the same tiles: place, operand types and region.
static std::string keyOf(AttendOp attend) {
  std::string key = sourceLine(attend.getLoc());
  llvm::raw_string_ostream os(key);
  os << attend.getReductions();
  for (Type type : attend->getOperandTypes())
    os << type;
  for (Operation &op : attend.getBody().front())
    op.print(os, OpPrintingFlags().useLocalScope());
  return key;
}

static json::Object describe(AttendOp attend, StringRef function, int64_t calls) {
  attend::Options options;
  json::Array reductions, visited;
  for (ReductionAttr reduction : attend.getReductionList())
    reductions.push_back(stringifyReductionKind(reduction.getKind()));
  for (int64_t length = 1024; length <= 65536; length *= 2) {
    attend::VisitCount count = attend::countVisits(attend, options, length);
    visited.push_back(json::Object{{"length", count.length}, {"scores", count.visited}, {"causal", count.causal}});
  }
  return json::Object{{"location", sourceLine(attend.getLoc())},
                      {"function", function},
                      {"calls", calls},
                      {"heads", attend.getNumHeads()},
                      {"reductions", std::move(reductions)},
                      {"tile", json::Array{options.queries, options.keys}},
                      {"visited", std::move(visited)}};
}

std::string analyse(ModuleOp module) {
  json::Array attends;
  for (auto function : module.getOps<func::FuncOp>()) {
    StringRef name = function.getName();
    name.consume_front("export.");
    if (name != "logits" && !name.ends_with(".forward") && !(name == "eval_step" && !module.lookupSymbol("logits")))
      continue;
    llvm::MapVector<StringRef, std::pair<AttendOp, int64_t>> places;
    std::vector<std::unique_ptr<std::string>> keys;
    function.walk([&](AttendOp attend) {
      if (!isForward(attend))
        return;
      keys.push_back(std::make_unique<std::string>(keyOf(attend)));
      ++places.try_emplace(*keys.back(), attend, 0).first->second.second;
    });
    for (auto &[key, place] : places)
      attends.push_back(describe(place.first, name, place.second));
  }
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(json::Object{{"attends", std::move(attends)}});
  return text;
}

} // namespace caa
