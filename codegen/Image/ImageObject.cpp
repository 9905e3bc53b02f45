// The image as an object file, through LLVM IR: the bytes, with each kernel's address minus the image's as a constant
// expression that the linker works out, `caa_query`, and the place of the seal.
#include "codegen/Image/Image.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

#include <mutex>

namespace caa {

using namespace llvm;

static const char *const tripleName = "x86_64-unknown-linux-gnu";

static void initializeX86() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
}

Expected<ObjectBytes> emitObject(llvm::Module &module, StringRef cpu, StringRef features) {
  initializeX86();
  std::string error;
  Triple triple(tripleName);
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return createStringError("this LLVM has no x86-64 target: " + error);
  std::unique_ptr<TargetMachine> machine(
      target->createTargetMachine(triple, cpu, features, TargetOptions(), Reloc::PIC_, std::nullopt, CodeGenOptLevel::Default));
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  ObjectBytes object;
  raw_svector_ostream stream(object);
  legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, CodeGenFileType::ObjectFile))
    return createStringError("the x86-64 target cannot write object files");
  passes.run(module);
  return object;
}

Expected<ObjectBytes> emitImageObject(const Image &image) {
  LLVMContext context;
  llvm::Module module("image", context);
  module.setTargetTriple(Triple(tripleName));
  Type *i8 = Type::getInt8Ty(context), *i64 = Type::getInt64Ty(context);

  // The type first: the initializer's expressions name the global itself.
  SmallVector<Type *> types;
  auto forEachPiece = [&](auto &&bytes, auto &&slot) {
    uint64_t at = 0;
    for (const Image::Slot &s : image.slots) {
      bytes(ArrayRef<char>(image.bytes).slice(at, s.offset - at));
      slot(s);
      at = s.offset + 8;
    }
    bytes(ArrayRef<char>(image.bytes).drop_front(at));
  };
  forEachPiece([&](ArrayRef<char> bytes) { types.push_back(ArrayType::get(i8, bytes.size())); },
               [&](const Image::Slot &) { types.push_back(i64); });
  StructType *type = StructType::get(context, types, /*isPacked=*/true);
  auto *global = new GlobalVariable(module, type, /*isConstant=*/true, GlobalValue::InternalLinkage, nullptr, "caa_image");
  global->setSection(".caa.image");
  global->setAlignment(Align(64));

  SmallVector<Constant *> pieces;
  Constant *start = ConstantExpr::getPtrToInt(global, i64);
  FunctionType *codeType = FunctionType::get(Type::getVoidTy(context), /*isVarArg=*/false);
  forEachPiece(
      [&](ArrayRef<char> bytes) {
        pieces.push_back(ConstantDataArray::getRaw(StringRef(bytes.data(), bytes.size()), bytes.size(), i8));
      },
      [&](const Image::Slot &slot) {
        auto *code = cast<Function>(module.getOrInsertFunction(slot.symbol, codeType).getCallee());
        code->setVisibility(GlobalValue::HiddenVisibility);
        pieces.push_back(ConstantExpr::getSub(ConstantExpr::getPtrToInt(code, i64), start));
      });
  global->setInitializer(ConstantStruct::get(type, pieces));

  auto *sealed = new GlobalVariable(module, ArrayType::get(i8, 32), /*isConstant=*/true, GlobalValue::InternalLinkage,
                                    Constant::getNullValue(ArrayType::get(i8, 32)), "caa_seal");
  sealed->setSection(".caa.seal");
  appendToUsed(module, {sealed});

  IRBuilder<> builder(context);
  auto *query = Function::Create(FunctionType::get(builder.getPtrTy(), {builder.getInt32Ty()}, false),
                                 GlobalValue::ExternalLinkage, "caa_query", module);
  query->setDoesNotThrow();
  builder.SetInsertPoint(BasicBlock::Create(context, "entry", query));
  Value *readable = builder.CreateICmpUGE(query->getArg(0), builder.getInt32(CAA_ABI_VERSION));
  builder.CreateRet(builder.CreateSelect(readable, global, ConstantPointerNull::get(builder.getPtrTy())));
  return emitObject(module, "x86-64", "");
}

} // namespace caa
