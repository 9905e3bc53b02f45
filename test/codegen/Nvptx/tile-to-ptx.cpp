// tile-to-ptx FILE.mlir --target=sm_90a: the tile kernels of a module as PTX, for tests. Behind the text, one comment line for each
// kernel says in JSON how it is launched. --only=NAME,... leaves other kernels out, --products=false those with products.
// --assemble runs ptxas too and says in comments how many registers each kernel has and what it spills.
#include "codegen/Driver/Pipelines.h"
#include "codegen/Nvptx/Core/Nvptx.h"
#include "codegen/Nvptx/Core/Ptxas.h"
#include "dialect/Tile/TileDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
namespace cl = llvm::cl;

static llvm::json::Value toJson(const caa::nvptx::LaunchInfo &launch, func::FuncOp kernel) {
  llvm::json::Array maps, operands;
  for (const caa::nvptx::TensorMap &map : launch.tensorMaps)
    maps.push_back(llvm::json::Object{{"operand", map.operand}, {"dtype", int64_t(map.dtype)}, {"heads", map.heads},
                                      {"width", map.width}, {"box_width", map.boxWidth}, {"box_rows", map.boxRows},
                                      {"swizzle", map.swizzleBytes}});
  for (Type type : kernel.getArgumentTypes()) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    operands.push_back(text);
  }
  std::string grid;
  llvm::raw_string_ostream(grid) << kernel->getAttr("tile.grid");
  return llvm::json::Object{{"name", launch.name},
                            {"threads", launch.threads},
                            {"shared", launch.sharedBytes},
                            {"blocks_per_sm", launch.blocksPerSm},
                            {"counters", launch.counters},
                            {"tensor_maps", std::move(maps)},
                            {"operands", std::move(operands)},
                            {"grid", grid}};
}

int main(int argc, char **argv) {
  cl::opt<std::string> input(cl::Positional, cl::Required, cl::desc("FILE.mlir"));
  cl::opt<std::string> target("target", cl::init("sm_90a"));
  cl::list<std::string> only("only", cl::CommaSeparated);
  cl::opt<bool> withProducts("products", cl::init(true), cl::desc("=false leaves out kernels with products"));
  cl::opt<bool> assembled("assemble");
  cl::ParseCommandLineOptions(argc, argv);
  if (target != "sm_80" && target != "sm_90a") {
    llvm::errs() << "tile-to-ptx: --target is sm_80 or sm_90a\n";
    return 2;
  }
  DialectRegistry registry;
  caa::registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(input, &context);
  if (!module)
    return 1;
  for (auto function : llvm::make_early_inc_range(module->getOps<func::FuncOp>())) {
    bool products = function.walk([](tile::DotOp) { return WalkResult::interrupt(); }).wasInterrupted();
    if ((!only.empty() && !llvm::is_contained(only, function.getName())) || (products && !withProducts))
      function->removeAttr("tile.kernel");
  }
  caa_target gpu = target == "sm_80" ? CAA_TARGET_SM80 : CAA_TARGET_SM90A;
  FailureOr<caa::nvptx::Code> code = caa::nvptx::compileKernels(*module, gpu, 2);
  if (failed(code))
    return 1;
  llvm::outs() << code->ptx;
  for (const caa::nvptx::LaunchInfo &launch : code->kernels)
    llvm::outs() << "// launch: " << toJson(launch, module->lookupSymbol<func::FuncOp>(launch.name)) << "\n";
  if (!assembled)
    return 0;
  auto ptxas = caa::nvptx::findPtxas();
  if (!ptxas) {
    llvm::errs() << "tile-to-ptx: no ptxas\n";
    return 1;
  }
  auto assembly = caa::nvptx::assemble(code->ptx, gpu, *ptxas);
  if (!assembly) {
    llvm::errs() << llvm::toString(assembly.takeError()) << "\n";
    return 1;
  }
  for (const caa::nvptx::AssembledKernel &kernel : assembly->kernels)
    llvm::outs() << "// ptxas: " << kernel.name << " " << kernel.registers << " registers, " << kernel.spillBytes << " bytes spilled, "
                 << kernel.stackBytes << " bytes of stack\n";
  for (const std::string &warning : assembly->warnings)
    llvm::outs() << "// ptxas: " << warning << "\n";
}
