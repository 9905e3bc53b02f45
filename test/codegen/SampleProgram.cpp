// The sample's tables and kernels.
#include "test/codegen/SampleProgram.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"

#include <limits>

namespace caa::test {

using namespace schedule;

// Every kernel: void (ptr buffers, ptr sizes, i64 begin, i64 end, ptr scratch).
static const char *const kernels = R"(
; x[r, :] = table[tokens[r], :]: a work item per row
define void @embed(ptr %buffers, ptr %sizes, i64 %begin, i64 %end, ptr %scratch) {
entry:
  %tokens = load ptr, ptr %buffers
  %p1 = getelementptr ptr, ptr %buffers, i64 1
  %table = load ptr, ptr %p1
  %p2 = getelementptr ptr, ptr %buffers, i64 2
  %x = load ptr, ptr %p2
  br label %row
row:
  %r = phi i64 [ %begin, %entry ], [ %next, %body ]
  %more = icmp slt i64 %r, %end
  br i1 %more, label %body, label %done
body:
  %pt = getelementptr i32, ptr %tokens, i64 %r
  %token = load i32, ptr %pt
  %source = getelementptr [8 x float], ptr %table, i32 %token
  %target = getelementptr [8 x float], ptr %x, i64 %r
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 32, i1 false)
  %next = add i64 %r, 1
  br label %row
done:
  ret void
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; out = a + b: a work item per row of 8 numbers
define void @add(ptr %buffers, ptr %sizes, i64 %begin, i64 %end, ptr %scratch) {
entry:
  %a = load ptr, ptr %buffers
  %p1 = getelementptr ptr, ptr %buffers, i64 1
  %b = load ptr, ptr %p1
  %p2 = getelementptr ptr, ptr %buffers, i64 2
  %out = load ptr, ptr %p2
  br label %row
row:
  %r = phi i64 [ %begin, %entry ], [ %next, %body ]
  %more = icmp slt i64 %r, %end
  br i1 %more, label %body, label %done
body:
  %pa = getelementptr <8 x float>, ptr %a, i64 %r
  %va = load <8 x float>, ptr %pa, align 4
  %pb = getelementptr <8 x float>, ptr %b, i64 %r
  %vb = load <8 x float>, ptr %pb, align 4
  %sum = fadd <8 x float> %va, %vb
  %po = getelementptr <8 x float>, ptr %out, i64 %r
  store <8 x float> %sum, ptr %po, align 4
  %next = add i64 %r, 1
  br label %row
done:
  ret void
}

; loss += scale * sum z^2 over the R rows; dz = 2 scale z: one work item
define void @square_loss(ptr %buffers, ptr %sizes, i64 %begin, i64 %end, ptr %scratch) {
entry:
  %z = load ptr, ptr %buffers
  %p1 = getelementptr ptr, ptr %buffers, i64 1
  %scales = load ptr, ptr %p1
  %p2 = getelementptr ptr, ptr %buffers, i64 2
  %loss = load ptr, ptr %p2
  %p3 = getelementptr ptr, ptr %buffers, i64 3
  %dz = load ptr, ptr %p3
  %scale = load float, ptr %scales
  %twice = fmul float %scale, 2.0
  %pr = getelementptr i64, ptr %sizes, i64 2
  %rows = load i64, ptr %pr
  %count = mul i64 %rows, 24
  %some = icmp slt i64 %begin, %end
  br i1 %some, label %loop, label %done
loop:
  %n = phi i64 [ 0, %entry ], [ %next, %body ]
  %sum = phi double [ 0.0, %entry ], [ %added, %body ]
  %more = icmp slt i64 %n, %count
  br i1 %more, label %body, label %store
body:
  %pz = getelementptr float, ptr %z, i64 %n
  %v = load float, ptr %pz
  %w = fpext float %v to double
  %square = fmul double %w, %w
  %added = fadd double %sum, %square
  %g = fmul float %v, %twice
  %pd = getelementptr float, ptr %dz, i64 %n
  store float %g, ptr %pd
  %next = add i64 %n, 1
  br label %loop
store:
  %scaled = fpext float %scale to double
  %term = fmul double %sum, %scaled
  %old = load double, ptr %loss
  %new = fadd double %old, %term
  store double %new, ptr %loss
  br label %done
done:
  ret void
}

; count += R: one work item
define void @count_rows(ptr %buffers, ptr %sizes, i64 %begin, i64 %end, ptr %scratch) {
  %count = load ptr, ptr %buffers
  %pr = getelementptr i64, ptr %sizes, i64 2
  %rows = load i64, ptr %pr
  %items = sub i64 %end, %begin
  %times = mul i64 %rows, %items
  %number = sitofp i64 %times to double
  %old = load double, ptr %count
  %new = fadd double %old, %number
  store double %new, ptr %count
  ret void
}
)";

llvm::Expected<ObjectBytes> sampleKernels() {
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(kernels, diagnostic, context);
  if (!module)
    return llvm::createStringError(diagnostic.getMessage());
  for (llvm::Function &function : *module)
    if (!function.isDeclaration())
      function.setVisibility(llvm::GlobalValue::HiddenVisibility);
  return emitObject(*module, "x86-64-v3", "");
}

/// The kernel "add" for a GPU: a block per row, a thread per number.
static std::string samplePtx(caa_target target) {
  bool hopper = target == CAA_TARGET_SM90A;
  return std::string(".version 8.0\n.target ") + (hopper ? "sm_90a" : "sm_80") + R"(
.address_size 64
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 out, .param .u64 B, .param .u64 T, .param .u64 R,
                    .param .u64 first_row, .param .u64 items)" +
         (hopper ? ", .param .align 64 .b8 map[128]" : "") + R"()
{
  .reg .pred %p;
  .reg .u32 %thread, %row;
  .reg .u64 %pa, %pb, %pout, %at, %number;
  .reg .f32 %x, %y;
  mov.u32 %thread, %tid.x;
  setp.ge.u32 %p, %thread, 8;
  @%p bra done;
  mov.u32 %row, %ctaid.x;
  cvt.u64.u32 %number, %thread;
  mad.wide.u32 %at, %row, 8, %number;
  shl.b64 %at, %at, 2;
  ld.param.u64 %pa, [a];
  ld.param.u64 %pb, [b];
  ld.param.u64 %pout, [out];
  add.u64 %pa, %pa, %at;
  add.u64 %pb, %pb, %at;
  add.u64 %pout, %pout, %at;
  ld.global.f32 %x, [%pa];
  ld.global.f32 %y, [%pb];
  add.f32 %x, %x, %y;
  st.global.f32 [%pout], %x;
done:
  ret;
}
)";
}

namespace {

constexpr int64_t width = sampleWidth, wide = sampleOut;
enum KernelNumber : uint32_t { Embed, Add, SquareLoss, CountRows };
enum ParameterNumber : uint32_t { Table, First, Head };

/// Adds buffers and commands to an entry and keeps the arena's lifetimes.
struct EntryWriter {
  Entry entry;

  uint32_t buffer(std::string name, caa_buffer_kind kind, uint64_t index, Size bytes, caa_dtype dtype = CAA_F32) {
    entry.buffers.push_back({std::move(name), kind, dtype, index, std::move(bytes), uint32_t(entry.commands.size()), 0});
    return entry.buffers.size() - 1;
  }
  uint32_t arena(std::string name, Size bytes) { return buffer(std::move(name), CAA_BUFFER_ARENA, 0, std::move(bytes)); }
  Command &add(caa_command_kind kind, uint32_t index, std::vector<Operand> operands) {
    for (const Operand &operand : operands)
      entry.buffers[operand.buffer].last = entry.commands.size();
    Command command;
    command.kind = kind;
    command.index = index;
    command.operands = std::move(operands);
    command.location = "sample.mdl:" + std::to_string(entry.commands.size() + 1);
    entry.commands.push_back(std::move(command));
    return entry.commands.back();
  }
  Command &kernel(uint32_t index, std::vector<Operand> operands) { return add(CAA_COMMAND_KERNEL, index, std::move(operands)); }
  void loop(int64_t chunk, uint32_t commands) { add(CAA_COMMAND_LOOP, commands, {}).chunk = chunk; }
  void product(Operand a, Operand b, Operand c, Size m, int64_t n, Size k, bool transposeA, bool transposeB, float beta) {
    Command &command = add(CAA_COMMAND_PRODUCT, 0, {a, b, c});
    // Everything here is stored densely, and only transposed or plain products of [rows, width] matrices occur.
    command.lda = transposeA ? m.terms[0].coefficient : k.terms[0].coefficient;
    command.ldb = transposeB ? k.terms[0].coefficient : n;
    command.ldc = n;
    command.m = std::move(m);
    command.n = n;
    command.k = std::move(k);
    command.transposeA = transposeA;
    command.transposeB = transposeB;
    command.beta = beta;
  }
};

Size floats(int64_t count) { return Size(4 * count); }
Value tokenValue(const char *name) { return {name, CAA_INPUT, CAA_I32, 1, 1, true}; }

/// micro_step with gradients, eval_step and logits without.
Entry modelEntry(const char *name, bool gradients, bool logits) {
  EntryWriter w;
  w.entry.name = name;
  w.entry.values = {tokenValue("tokens"), tokenValue("doc"), tokenValue("position")};
  uint32_t tokens = w.buffer("tokens", CAA_BUFFER_VALUE, 0, Size::tokens(4), CAA_I32);
  uint32_t table = w.buffer("table", CAA_BUFFER_PARAMETER, Table, floats(sampleVocab * width));
  uint32_t first = w.buffer("first", CAA_BUFFER_PARAMETER, First, floats(width * width));
  uint32_t head = w.buffer("head", CAA_BUFFER_PARAMETER, Head, floats(wide * width));
  uint32_t x = w.arena("x", Size::tokens(4 * width)), y = 0;
  w.kernel(Embed, {{tokens}, {table}, {x}});
  y = w.arena("y", Size::tokens(4 * width));
  w.product({x}, {first}, {y}, Size::tokens(1), width, width, false, true, 0);
  if (logits) {
    w.entry.values.push_back({"logits", CAA_OUTPUT, CAA_F32, 1, wide, true});
    uint32_t z = w.buffer("logits", CAA_BUFFER_VALUE, 3, Size::tokens(4 * wide));
    w.product({y}, {head}, {z}, Size::tokens(1), wide, width, false, true, 0);
    return w.entry;
  }
  uint32_t scale = w.buffer("", CAA_BUFFER_LOSS_SCALE, 0, floats(1));
  uint32_t loss = w.buffer("", CAA_BUFFER_LOSS_SUM, 0, Size(8), CAA_F64);
  uint32_t z = w.arena("z", floats(sampleChunk * wide)), dz = w.arena("dz", floats(sampleChunk * wide)), dy = 0, dHead = 0;
  Operand yRows = {y, 0, 4 * width};
  if (gradients) {
    dy = w.arena("dy", Size::tokens(4 * width));
    dHead = w.buffer("d_head", CAA_BUFFER_GRADIENT, Head, floats(wide * width));
  }
  w.loop(sampleChunk, gradients ? 4 : 2);
  w.product(yRows, {head}, {z}, Size::rows(1), wide, width, false, true, 0);
  w.kernel(SquareLoss, {{z}, {scale}, {loss}, {dz}});
  if (!gradients)
    return w.entry;
  w.product({dz}, {head}, {dy, 0, 4 * width}, Size::rows(1), width, wide, false, false, 0);
  w.product({dz}, yRows, {dHead}, wide, width, Size::rows(1), true, false, 1);
  w.entry.buffers[z].last = w.entry.buffers[dz].last = w.entry.commands.size() - 1; // the loop comes round again
  uint32_t dFirst = w.buffer("d_first", CAA_BUFFER_GRADIENT, First, floats(width * width));
  w.product({dy}, {x}, {dFirst}, width, width, Size::tokens(1), true, false, 1);
  return w.entry;
}

Entry countEntry() {
  EntryWriter w;
  w.entry.name = "loss_counts";
  w.entry.values = {tokenValue("tokens"), tokenValue("doc"), tokenValue("position")};
  uint32_t count = w.buffer("", CAA_BUFFER_LOSS_COUNT, 0, Size(8), CAA_F64);
  w.kernel(CountRows, {{count}});
  return w.entry;
}

Entry addEntry(bool gradient, caa_target target = CAA_TARGET_CPU, uint32_t kernel = Add) {
  EntryWriter w;
  w.entry.target = target;
  w.entry.name = gradient ? "add.gradient" : "add.forward";
  auto value = [&](const char *name, caa_direction direction) {
    w.entry.values.push_back({name, direction, CAA_F32, 2, 4, true});
    return w.buffer(name, CAA_BUFFER_VALUE, w.entry.values.size() - 1, Size::tokens(32));
  };
  uint32_t a = value("a", CAA_INPUT), b = value("b", CAA_INPUT);
  uint32_t dOut = gradient ? value("d_out", CAA_INPUT) : 0;
  w.kernel(kernel, {{a}, {b}, {value("out", CAA_OUTPUT)}});
  if (!gradient)
    return w.entry;
  for (const char *name : {"d_a", "d_b"}) {
    Command &command = w.add(CAA_COMMAND_COPY, 0, {{value(name, CAA_OUTPUT)}, {dOut}});
    command.m = Size::tokens(32);
  }
  return w.entry;
}

Entry productEntry(caa_target target) {
  EntryWriter w;
  w.entry.name = "product";
  w.entry.target = target;
  auto value = [&](const char *name, caa_direction direction, caa_dtype dtype, int64_t bytes) {
    w.entry.values.push_back({name, direction, dtype, 1, width, true});
    return w.buffer(name, CAA_BUFFER_VALUE, w.entry.values.size() - 1, Size::tokens(bytes * width), dtype);
  };
  uint32_t x = value("x", CAA_INPUT, CAA_BF16, 2);
  uint32_t y = value("y", CAA_OUTPUT, CAA_F32, 4), z = value("z", CAA_OUTPUT, CAA_BF16, 2);
  uint32_t first = w.buffer("first", CAA_BUFFER_PARAMETER_BF16, First, Size(2 * width * width), CAA_BF16);
  for (uint32_t out : {y, z}) {
    w.product({x}, {first}, {out}, Size::tokens(1), width, width, false, true, 0);
    Command &command = w.entry.commands.back();
    command.dtypeA = command.dtypeB = CAA_BF16;
    command.dtypeC = w.entry.buffers[out].dtype;
  }
  w.entry.commands.back().operands.push_back({x});
  w.entry.commands.back().beta = 1;
  w.entry.buffers[x].last = 1;
  return w.entry;
}

Entry updateEntry(caa_target target, int64_t elements) {
  EntryWriter w;
  w.entry.name = "update";
  w.entry.target = target;
  for (auto kind : {CAA_BUFFER_PARAMETERS, CAA_BUFFER_GRADIENTS, CAA_BUFFER_MOMENT1, CAA_BUFFER_MOMENT2})
    w.buffer("", kind, 0, Size(4 * elements));
  w.buffer("", CAA_BUFFER_PARAMETERS_BF16, 0, Size(2 * elements), CAA_BF16);
  w.buffer("", CAA_BUFFER_OPTIMIZER, 0, Size(sizeof(caa_optimizer_state)), CAA_BOOL);
  w.add(CAA_COMMAND_FILL, 0, {{1}}).m = Size(4 * elements);
  return w.entry;
}

void addGpu(Program &program, caa_target target) {
  Kernel kernel;
  kernel.name = "add";
  kernel.location = "sample.mdl:1";
  kernel.grid = Size::rows(1);
  kernel.target = target;
  kernel.threads = 32;
  if (target == CAA_TARGET_SM90A)
    kernel.tensorMaps.push_back({1, CAA_F32, 2, 4, 4, 16, 0});
  const Parameter &last = program.parameters.back();
  int64_t elements = (last.offset + last.elements() + 15) / 16 * 16;
  program.entries.push_back(addEntry(false, target, program.kernels.size()));
  program.entries.push_back(productEntry(target));
  program.entries.push_back(updateEntry(target, elements));
  program.kernels.push_back(std::move(kernel));
  program.modules.push_back({samplePtx(target), CAA_MODULE_PTX, target});
}

} // namespace

Program sampleProgram() {
  Program program;
  double infinity = std::numeric_limits<double>::infinity();
  auto parameter = [&](const char *name, const char *group, std::vector<int64_t> shape, double bound, bool decay) {
    program.parameters.push_back({name, group, std::move(shape), CAA_INIT_NORMAL, 0, 0.5, -bound, bound, decay});
  };
  parameter("table", "", {sampleVocab, width}, infinity, false);
  parameter("first.weight", "", {width, width}, 0.9, true);
  parameter("head.weight", "gate", {wide, width}, infinity, true);
  layOutParameters(program);
  auto kernel = [&](const char *name, Size grid) {
    Kernel k;
    k.name = name;
    k.location = "sample.mdl:1";
    k.grid = std::move(grid);
    k.avx2 = k.avx512 = name;
    program.kernels.push_back(std::move(k));
  };
  kernel("embed", Size::rows(1));
  kernel("add", Size::rows(1));
  kernel("square_loss", 1);
  kernel("count_rows", 1);
  program.losses = {{"loss", 1}};
  program.entries = {modelEntry("micro_step", true, false), modelEntry("eval_step", false, false),
                     modelEntry("logits", false, true), countEntry(), addEntry(false), addEntry(true)};
  addGpu(program, CAA_TARGET_SM80);
  addGpu(program, CAA_TARGET_SM90A);
  return program;
}

Texts sampleTexts() {
  Texts texts;
  texts.compiler = "sample";
  texts.modelName = "sample";
  texts.source = "// not a model: hand-made tables\n";
  texts.settings = R"({"model": {"vocab": 512, "context": 64}, "train": {}})";
  texts.plainForm = R"({"version": 1, "parameters": [], "functions": []})";
  texts.finalIr = "";
  texts.analysis = "{}";
  return texts;
}

} // namespace caa::test
