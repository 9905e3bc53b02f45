// The module's tables (parameters, losses, reports, kernels) around the entries' schedules.
#include "codegen/Schedule/Schedule.h"
#include "codegen/Schedule/EntryScheduler.h"
#include "codegen/Schedule/Update.h"
#include "dialect/Tile/TileDialect.h"

#include <limits>

using namespace mlir;

namespace caa {

using schedule::Program;

std::string sourceLine(Location location) {
  std::string line;
  location->walk([&](Location inner) {
    auto place = dyn_cast<FileLineColRange>(inner);
    if (!place)
      return WalkResult::advance();
    line = place.getFilename().str() + ":" + std::to_string(place.getStartLine());
    return WalkResult::interrupt();
  });
  return line;
}

void recordOutputs(ModuleOp module) {
  Builder builder(module.getContext());
  std::map<int64_t, Attribute> byIndex;
  SmallVector<Attribute> reports;
  module.walk([&](Operation *op) {
    if (auto loss = dyn_cast<LossOp>(op))
      byIndex[loss.getIndex()] = builder.getDictionaryAttr(
          {builder.getNamedAttr("name", loss.getNameAttr()),
           builder.getNamedAttr("heads", builder.getI64IntegerAttr(shapeOf(loss.getValue()).heads))});
    // An export is called, not trained: nobody reads its reports.
    if (auto report = dyn_cast<ReportOp>(op); report && !report->getParentOfType<func::FuncOp>()->hasAttr("caa.export"))
      reports.push_back(builder.getArrayAttr({report.getNameAttr(), report.getPathAttr()}));
  });
  SmallVector<Attribute> losses;
  for (auto &[index, loss] : byIndex)
    losses.push_back(loss);
  module->setAttr("caa.losses", builder.getArrayAttr(losses));
  module->setAttr("caa.reports", builder.getArrayAttr(reports));
}

static schedule::Parameter describe(ParameterOp op) {
  double infinity = std::numeric_limits<double>::infinity();
  schedule::Parameter parameter;
  parameter.name = op.getSymName().str();
  parameter.group = op.getGroup().str();
  parameter.shape = cast<RankedTensorType>(op.getType()).getShape().vec();
  static constexpr caa_init inits[] = {CAA_INIT_ZEROS, CAA_INIT_ONES, CAA_INIT_NORMAL, CAA_INIT_UNIFORM};
  parameter.init = inits[uint32_t(op.getInit().getKind())];
  if (FloatAttr a = op.getInit().getA())
    parameter.a = a.getValueAsDouble();
  if (FloatAttr b = op.getInit().getB())
    parameter.b = b.getValueAsDouble();
  parameter.low = op.getLow() ? op.getLow()->convertToDouble() : -infinity;
  parameter.high = op.getHigh() ? op.getHigh()->convertToDouble() : infinity;
  parameter.decay = op.getDecay();
  return parameter;
}

/// The size that an array of #tile.term stands for.
static FailureOr<schedule::Size> sizeOf(func::FuncOp kernel, StringRef attribute) {
  std::vector<schedule::Term> terms;
  auto array = kernel->getAttrOfType<ArrayAttr>(attribute);
  if (!array)
    return failure();
  for (Attribute item : array) {
    auto term = dyn_cast<tile::TermAttr>(item);
    if (!term)
      return failure();
    terms.push_back({term.getCoefficient(), uint8_t(term.getBatch()), uint8_t(term.getLength()), uint8_t(term.getRows()),
                     term.getLengthDivisor(), term.getDivisor()});
  }
  return schedule::Size::sum(std::move(terms));
}

FailureOr<uint32_t> ModuleTables::kernel(Operation *user, FlatSymbolRefAttr name) {
  auto [it, isNew] = kernels.try_emplace(name.getValue(), program.kernels.size());
  if (!isNew)
    return it->second;
  auto function = symbols.lookup<func::FuncOp>(name.getValue());
  if (!function)
    return user->emitError("internal: there is no kernel ") << name;
  schedule::Kernel kernel;
  kernel.name = name.getValue().str();
  kernel.location = sourceLine(function.getLoc());
  if (function->hasAttr("tile.kernel")) {
    FailureOr<schedule::Size> grid = sizeOf(function, "tile.grid");
    if (failed(grid))
      return function.emitError("internal: a kernel without a grid");
    kernel.grid = *grid;
    if (auto flops = function->getAttrOfType<FloatAttr>("tile.flops"))
      kernel.flopsPerItem = flops.getValueAsDouble();
    if (auto queries = function->getAttrOfType<IntegerAttr>("tile.queries"))
      kernel.tileQueries = queries.getInt();
    if (auto keys = function->getAttrOfType<IntegerAttr>("tile.keys"))
      kernel.tileKeys = keys.getInt();
  }
  program.kernels.push_back(std::move(kernel));
  return it->second;
}

FailureOr<Program> buildSchedule(ModuleOp module, bool gpu) {
  Program program;
  ModuleTables tables{program, SymbolTable(module), gpu, {}, {}, {}, {}};
  for (auto parameter : module.getOps<ParameterOp>()) {
    tables.parameters[parameter.getSymName()] = program.parameters.size();
    program.parameters.push_back(describe(parameter));
  }
  layOutParameters(program);
  if (auto losses = module->getAttrOfType<ArrayAttr>("caa.losses"))
    for (auto loss : losses.getAsRange<DictionaryAttr>())
      program.losses.push_back({cast<StringAttr>(loss.get("name")).str(), cast<IntegerAttr>(loss.get("heads")).getInt()});
  if (auto reports = module->getAttrOfType<ArrayAttr>("caa.reports"))
    for (auto report : reports.getAsRange<ArrayAttr>()) {
      std::string name = cast<StringAttr>(report[0]).str(), path = cast<StringAttr>(report[1]).str();
      if (tables.reports.try_emplace({name, path}, program.reports.size()).second)
        program.reports.push_back({name, path});
    }
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isPrivate() || function.isExternal() || function->hasAttr("tile.kernel") || function->hasAttr("caa.kernel"))
      continue;
    FailureOr<schedule::Entry> entry = EntryScheduler(tables, function).run();
    if (failed(entry))
      return failure();
    program.entries.push_back(std::move(*entry));
  }
  for (schedule::Entry &entry : program.entries)
    for (schedule::Buffer &buffer : entry.buffers)
      if (buffer.kind == CAA_BUFFER_REPORT)
        buffer.bytes = int64_t(program.reports.size()) * 40;
  if (gpu) {
    schedule::UpdateShape shape = schedule::addUpdate(program);
    if (shape.groups > CAA_OPTIMIZER_GROUPS)
      return module.emitError() << "parameters in " << shape.groups - 1 << " optimizer groups; a GPU's optimizer has room for "
                                << CAA_OPTIMIZER_GROUPS - 1;
    schedule::noteUpdate(module, shape);
  }
  return program;
}

LogicalResult readScratch(ModuleOp module, Program &program) {
  SymbolTable symbols(module);
  for (schedule::Kernel &kernel : program.kernels) {
    auto function = symbols.lookup<func::FuncOp>(kernel.name);
    FailureOr<schedule::Size> scratch = sizeOf(function, "tile.scratch");
    if (failed(scratch))
      return function.emitError("internal: code generation left no `tile.scratch`");
    kernel.scratch = *scratch;
  }
  return success();
}

namespace {
/// Prints the schedule of a module instead of the module; for tests.
struct PrintSchedulePass : PassWrapper<PrintSchedulePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PrintSchedulePass)
  PrintSchedulePass() = default;
  PrintSchedulePass(const PrintSchedulePass &) {}
  StringRef getArgument() const override { return "caa-print-schedule"; }
  StringRef getDescription() const override { return "Print the schedule of every entry to standard output"; }
  void runOnOperation() override {
    FailureOr<Program> program = buildSchedule(getOperation(), gpu);
    if (failed(program))
      return signalPassFailure();
    schedule::print(llvm::outs(), *program);
  }
  Option<bool> gpu{*this, "gpu", llvm::cl::desc("As for a GPU")};
};
} // namespace

void registerSchedulePasses() { PassRegistration<PrintSchedulePass>(); }

} // namespace caa
