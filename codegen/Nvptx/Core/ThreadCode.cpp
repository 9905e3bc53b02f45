// See ThreadCode.h.
#include "codegen/Nvptx/Core/ThreadCode.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

ThreadCode::ThreadCode(LLVM::LLVMFuncOp function, caa_target target) : emit::Code(function), target(target) {
  bf16 = builder.getBF16Type(), i16 = builder.getI16Type();
  globalPointer = LLVM::LLVMPointerType::get(builder.getContext(), 1);
  sharedPointer = LLVM::LLVMPointerType::get(builder.getContext(), 3);
}

//===-- Instructions ------------------------------------------------------------------------------------------------===//

Value ThreadCode::intrinsic(StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(builder, loc, result, builder.getStringAttr(name), operands).getResult(0);
}

void ThreadCode::intrinsic(StringRef name, ValueRange operands) {
  LLVM::CallIntrinsicOp::create(builder, loc, builder.getStringAttr(name), operands);
}

Value ThreadCode::assembly(StringRef text, StringRef constraints, Type result, ValueRange operands, bool isVolatile) {
  auto op = LLVM::InlineAsmOp::create(builder, loc, result ? TypeRange(result) : TypeRange(), operands, text, constraints, isVolatile,
                                      false, LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
  return result ? op.getResult(0) : Value();
}

void ThreadCode::assembly(StringRef text, StringRef constraints, ValueRange operands) {
  assembly(text, constraints, Type(), operands, true);
}

SmallVector<Value> ThreadCode::assembly(StringRef text, StringRef constraints, ArrayRef<Type> results, ValueRange operands,
                                        bool isVolatile) {
  if (results.size() == 1)
    return {assembly(text, constraints, results[0], operands, isVolatile)};
  auto record = LLVM::LLVMStructType::getLiteral(builder.getContext(), results);
  Value all = assembly(text, constraints, record, operands, isVolatile);
  SmallVector<Value> values;
  for (size_t n = 0; n < results.size(); ++n)
    values.push_back(LLVM::ExtractValueOp::create(builder, loc, all, ArrayRef<int64_t>{int64_t(n)}));
  return values;
}

//===-- Who am I ----------------------------------------------------------------------------------------------------===//

// Read in the entry block, whose values dominate all code.
Value ThreadCode::sreg(StringRef name, Value &cache, int64_t) {
  if (!cache) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(function.front().getTerminator());
    cache = intrinsic(("llvm.nvvm.read.ptx.sreg." + name).str(), i32, {});
  }
  return cache;
}

Value ThreadCode::thread() { return sreg("tid.x", threadIndex); }
Value ThreadCode::block() { return sreg("ctaid.x", blockIndex); }
Value ThreadCode::blockCount() { return sreg("nctaid.x", gridSize); }

Value ThreadCode::lane() {
  if (!laneIndex) {
    Value t = thread();
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(function.front().getTerminator());
    laneIndex = bitAnd(t, word(31));
  }
  return laneIndex;
}

Value ThreadCode::warp() {
  if (!warpIndex) {
    Value t = thread();
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(function.front().getTerminator());
    warpIndex = shiftRightUnsigned(t, 5);
  }
  return warpIndex;
}

Value ThreadCode::uniform(Value value) { return shuffleFrom(value, word(0)); }

//===-- Integers ----------------------------------------------------------------------------------------------------===//

Value ThreadCode::shiftRightUnsigned(Value a, int64_t bits) {
  return bits ? LLVM::LShrOp::create(builder, loc, a, integer(bits, a.getType())) : a;
}

Value ThreadCode::toWord(Value a) {
  unsigned bits = a.getType().getIntOrFloatBitWidth();
  if (auto value = known(a))
    return word(*value);
  if (bits == 32)
    return a;
  return bits > 32 ? Value(LLVM::TruncOp::create(builder, loc, i32, a)) : Value(LLVM::SExtOp::create(builder, loc, i32, a));
}

Value ThreadCode::toLong(Value a) {
  if (auto value = known(a))
    return index(*value);
  return a.getType() == i64 ? a : Value(LLVM::SExtOp::create(builder, loc, i64, a));
}

Value ThreadCode::extend(Value a) { return a.getType().isBF16() ? Value(LLVM::FPExtOp::create(builder, loc, f32, a)) : a; }

Value ThreadCode::truncate(Value a) { return a.getType().isF32() ? Value(LLVM::FPTruncOp::create(builder, loc, bf16, a)) : a; }

Value ThreadCode::packBf16(Value low, Value high) {
  Value pair = intrinsic("llvm.nvvm.ff2bf16x2.rn", vector(bf16, 2), {high, low});
  return LLVM::BitcastOp::create(builder, loc, i32, pair);
}

//===-- Shared memory -----------------------------------------------------------------------------------------------===//

// One external array of unknown size per kernel, named after it, so that modules can be joined.
Value ThreadCode::shared() {
  if (sharedBase)
    return sharedBase;
  auto module = function->getParentOfType<ModuleOp>();
  std::string name = (function.getName() + "_shared").str();
  if (!module.lookupSymbol(name)) {
    OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
    LLVM::GlobalOp::create(top, loc, LLVM::LLVMArrayType::get(i8, 0), /*isConstant=*/false, LLVM::Linkage::External, name,
                           Attribute(), /*alignment=*/1024, /*addrSpace=*/3);
  }
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(function.front().getTerminator());
  return sharedBase = LLVM::AddressOfOp::create(builder, loc, sharedPointer, name);
}

Value ThreadCode::shared(int64_t bytes) { return offset(shared(), bytes); }

Value ThreadCode::offset(Value base, Value bytes) { return address(base, i8, bytes); }
Value ThreadCode::offset(Value base, int64_t bytes) { return address(base, i8, bytes); }

Value ThreadCode::sharedAddress(Value pointer) { return LLVM::PtrToIntOp::create(builder, loc, i32, pointer); }

//===-- Memory ------------------------------------------------------------------------------------------------------===//

static unsigned sizeOf(Type type) {
  int64_t lanes = emit::Code::lanesOf(type);
  return unsigned(lanes * emit::bytesOf(emit::Code::elementOf(type)));
}

Value ThreadCode::loadAs(Type type, Value address, bool readOnly) {
  auto load = LLVM::LoadOp::create(builder, loc, type, address, sizeOf(type));
  load.setInvariant(readOnly);
  return load;
}

void ThreadCode::storeAs(Value value, Value address) {
  LLVM::StoreOp::create(builder, loc, value, address, sizeOf(value.getType()));
}

//===-- Threads together --------------------------------------------------------------------------------------------===//

void ThreadCode::barrier() { intrinsic("llvm.nvvm.barrier.cta.sync.aligned.all", {word(0)}); }

void ThreadCode::barrier(int64_t id, int64_t threads) {
  intrinsic("llvm.nvvm.barrier.cta.sync.aligned.count", {word(id), word(threads)});
}

void ThreadCode::warpBarrier() { intrinsic("llvm.nvvm.bar.warp.sync", {word(-1)}); }

Value ThreadCode::shuffle(StringRef name, Value value, Value lane, Value members) {
  if (!members)
    members = word(-1);
  Type type = value.getType();
  auto one = [&](Value word32) {
    return intrinsic(("llvm.nvvm.shfl.sync." + name + ".i32").str(), i32, {members, word32, lane, word(31)});
  };
  if (isa<LLVM::LLVMPointerType>(type) || type.getIntOrFloatBitWidth() == 64) {
    Value bits = type.isF64() ? bitcast(value, i64) : value;
    Value low = one(LLVM::TruncOp::create(builder, loc, i32, bits));
    Value high = one(LLVM::TruncOp::create(builder, loc, i32, LLVM::LShrOp::create(builder, loc, bits, index(32))));
    Value both = bitOr(LLVM::ZExtOp::create(builder, loc, i64, low),
                       LLVM::ShlOp::create(builder, loc, LLVM::ZExtOp::create(builder, loc, i64, high), index(32)));
    return type.isF64() ? bitcast(both, f64) : both;
  }
  unsigned bits = type.getIntOrFloatBitWidth();
  Type whole = builder.getIntegerType(bits);
  Value raw = isa<FloatType>(type) ? bitcast(value, whole) : value;
  if (bits < 32)
    raw = LLVM::ZExtOp::create(builder, loc, i32, raw);
  Value moved = one(raw);
  if (bits < 32)
    moved = LLVM::TruncOp::create(builder, loc, whole, moved);
  return isa<FloatType>(type) ? bitcast(moved, type) : moved;
}

Value ThreadCode::shuffleXor(Value value, int64_t mask, Value members) { return shuffle("bfly", value, word(mask), members); }

Value ThreadCode::shuffleFrom(Value value, Value source, Value members) { return shuffle("idx", value, source, members); }

Value ThreadCode::anyInWarp(Value condition, Value members) {
  return intrinsic("llvm.nvvm.vote.any.sync", i1, {members ? members : word(-1), condition});
}

} // namespace caa::nvptx
