// See Frame.h. What PTX needs to know of a kernel (threads per block, which parameters are tensor maps) stands in attributes
// of the function that emitPtx reads.
#include "codegen/Nvptx/Core/Frame.h"

using namespace mlir;

namespace caa::nvptx {

static constexpr unsigned sizeCount = CAA_SIZE_COUNT + 1; // and the items

static LLVM::LLVMFuncOp makeFunction(func::FuncOp kernel, ModuleOp module, const LaunchInfo &launch) {
  MLIRContext *context = kernel.getContext();
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Type global = LLVM::LLVMPointerType::get(context, 1), generic = LLVM::LLVMPointerType::get(context), i64 = builder.getI64Type();
  SmallVector<Type> types(kernel.getNumArguments(), global);
  types.append(sizeCount, i64);
  if (launch.counters)
    types.push_back(global);
  types.append(launch.tensorMaps.size(), generic);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), types);
  auto function = LLVM::LLVMFuncOp::create(builder, kernel.getLoc(), kernel.getName(), type);
  for (unsigned n = 0; n < kernel.getNumArguments(); ++n)
    function.setArgAttr(n, LLVM::LLVMDialect::getNoAliasAttrName(), builder.getUnitAttr());
  for (unsigned n = unsigned(types.size() - launch.tensorMaps.size()); n < types.size(); ++n) {
    function.setArgAttr(n, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(LLVM::LLVMArrayType::get(builder.getI8Type(), 128)));
    function.setArgAttr(n, LLVM::LLVMDialect::getAlignAttrName(), builder.getI64IntegerAttr(64));
  }
  return function;
}

Frame::Frame(func::FuncOp kernel, ModuleOp module, caa_target target, LaunchInfo info)
    : kernel(kernel), launch(std::move(info)), code(makeFunction(kernel, module, launch), target) {
  launch.name = kernel.getName().str();
  kernel.walk([&](Operation *op) {
    if (auto store = dyn_cast<tile::StoreOp>(op))
      written.insert(store.getTarget());
    else if (auto scatter = dyn_cast<tile::ScatterAddOp>(op))
      written.insert(scatter.getTable());
  });
}

Value Frame::buffer(Value argument) {
  return code.function.getArgument(cast<BlockArgument>(argument).getArgNumber());
}

Value Frame::extent(tile::Extent extent) {
  return code.function.getArgument(kernel.getNumArguments() + unsigned(extent));
}

Value Frame::extent32(tile::Extent which) { return code.toWord(extent(which)); }

Value Frame::items() { return code.function.getArgument(kernel.getNumArguments() + CAA_SIZE_COUNT); }

Value Frame::counters() { return code.function.getArgument(kernel.getNumArguments() + sizeCount); }

Value Frame::tensorMap(unsigned n) {
  return code.function.getArgument(kernel.getNumArguments() + sizeCount + (launch.counters ? 1 : 0) + n);
}

LaunchInfo Frame::finish(unsigned minBlocks) {
  LLVM::ReturnOp::create(code.builder, code.loc, ValueRange{});
  code.function->setAttr("caa.threads", code.builder.getI64IntegerAttr(launch.threads));
  code.function->setAttr("caa.min_blocks", code.builder.getI64IntegerAttr(minBlocks));
  return launch;
}

} // namespace caa::nvptx
