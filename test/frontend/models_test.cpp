// Every sketch and model passes the checks; what cannot be compiled yet is refused at the places that refused.cases
// lists, and nowhere else; parameters have the published names.
#include "dialect/Caa/CaaDialect.h"
#include "frontend/Frontend.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace {

const std::string models = CAA_MODELS_DIR, inputs = std::string(CAA_TEST_DIR) + "/inputs";

std::vector<std::string> filesIn(const std::string &folder) {
  std::vector<std::string> result;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(folder, error), end; it != end && !error; it.increment(error))
    if (llvm::sys::path::extension(it->path()) == ".mdl")
      result.push_back(it->path());
  std::sort(result.begin(), result.end());
  return result;
}

struct Outcome {
  mlir::MLIRContext context;
  caa::SourceManager sources;
  std::string text;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  bool good = false;
};

std::unique_ptr<Outcome> compile(const std::string &path, const caa::FrontendOptions &options = {}, bool checksOnly = false) {
  auto outcome = std::make_unique<Outcome>();
  llvm::raw_string_ostream out(outcome->text);
  caa::Diagnostics diagnostics(outcome->sources, out);
  diagnostics.attach(outcome->context, /*remarks=*/false);
  if (checksOnly) {
    outcome->good = caa::checkProgram(outcome->sources, diagnostics, path, options, outcome->context);
  } else {
    outcome->module = caa::compileToCaa(outcome->sources, diagnostics, path, options, outcome->context);
    outcome->good = static_cast<bool>(outcome->module);
  }
  diagnostics.flush();
  return outcome;
}

class EveryProgram : public testing::TestWithParam<std::string> {};

TEST_P(EveryProgram, passesTheChecks) {
  std::unique_ptr<Outcome> outcome = compile(GetParam(), {}, /*checksOnly=*/true);
  EXPECT_TRUE(outcome->good) << outcome->text;
  EXPECT_EQ(outcome->text.find("error"), std::string::npos) << outcome->text;
}

std::string stem(const testing::TestParamInfo<std::string> &info) { return llvm::sys::path::stem(info.param).str(); }

INSTANTIATE_TEST_SUITE_P(Models, EveryProgram, testing::ValuesIn(filesIn(models)), stem);
INSTANTIATE_TEST_SUITE_P(Sketches, EveryProgram, testing::ValuesIn(filesIn(inputs)), stem);

class EveryModel : public testing::TestWithParam<std::string> {};

TEST_P(EveryModel, compiles) {
  std::unique_ptr<Outcome> outcome = compile(GetParam());
  EXPECT_TRUE(outcome->good) << outcome->text;
}

INSTANTIATE_TEST_SUITE_P(Models, EveryModel, testing::ValuesIn(filesIn(models)), stem);

TEST(Refusals, areExactlyTheListedOnes) {
  std::map<std::string, std::string> expected, found;
  std::ifstream in(std::string(CAA_TEST_DIR) + "/refused.cases");
  std::string line, name;
  while (std::getline(in, line)) {
    if (line.rfind("=== ", 0) == 0)
      expected[name = line.substr(4)] = "";
    else
      expected[name] += line + "\n";
  }
  for (const std::string &path : filesIn(inputs)) {
    std::string &lines = found[llvm::sys::path::filename(path).str()];
    std::istringstream text(compile(path)->text);
    while (std::getline(text, line))
      if (line.rfind(path + ":", 0) == 0)
        lines += line.substr(path.size() + 1) + "\n";
  }
  EXPECT_EQ(found, expected);
}

std::map<std::string, std::vector<int64_t>> parameters(Outcome &outcome) {
  std::map<std::string, std::vector<int64_t>> result;
  outcome.module->walk([&](caa::ParameterOp op) {
    result[op.getSymName().str()] = llvm::cast<mlir::RankedTensorType>(op.getType()).getShape().vec();
  });
  return result;
}

TEST(Qwen3, hasThePublishedParameterNamesAndShapes) {
  caa::FrontendOptions options;
  options.sets = {"layers=2", "dim=64", "heads=4", "kv_heads=2", "head_dim=32", "ffn=96", "vocab=100", "tied=false"};
  std::unique_ptr<Outcome> outcome = compile(models + "/qwen_dense.mdl", options);
  ASSERT_TRUE(outcome->good) << outcome->text;
  std::map<std::string, std::vector<int64_t>> expected = {
      {"model.embed_tokens.weight", {100, 64}}, {"model.norm.weight", {64}}, {"lm_head.weight", {100, 64}}};
  for (const char *layer : {"model.layers.0.", "model.layers.1."}) {
    std::string l = layer;
    expected[l + "input_layernorm.weight"] = expected[l + "post_attention_layernorm.weight"] = {64};
    expected[l + "self_attn.q_proj.weight"] = {128, 64};
    expected[l + "self_attn.k_proj.weight"] = expected[l + "self_attn.v_proj.weight"] = {64, 64};
    expected[l + "self_attn.q_norm.weight"] = expected[l + "self_attn.k_norm.weight"] = {32};
    expected[l + "self_attn.o_proj.weight"] = {64, 128};
    expected[l + "mlp.gate_proj.weight"] = expected[l + "mlp.up_proj.weight"] = {96, 64};
    expected[l + "mlp.down_proj.weight"] = {64, 96};
  }
  EXPECT_EQ(parameters(*outcome), expected);
}

TEST(Qwen3, hasTheIssuedNumberOfParametersAtItsDefaultSize) {
  std::unique_ptr<Outcome> outcome = compile(models + "/qwen_dense.mdl");
  ASSERT_TRUE(outcome->good) << outcome->text;
  int64_t all = 0, matrices = 0;
  for (const auto &[name, shape] : parameters(*outcome)) {
    int64_t count = 1;
    for (int64_t size : shape)
      count *= size;
    all += count;
    if (shape.size() == 2 && name != "model.embed_tokens.weight")
      matrices += count;
  }
  EXPECT_EQ(all, 212046336);
  EXPECT_EQ(matrices, 134217728);
}

TEST(Gpt2, hasThePublishedParameterNames) {
  caa::FrontendOptions options;
  options.sets = {"layers=1", "dim=64", "heads=4", "vocab=100", "context=32"};
  std::unique_ptr<Outcome> outcome = compile(models + "/gpt2.mdl", options);
  ASSERT_TRUE(outcome->good) << outcome->text;
  std::map<std::string, std::vector<int64_t>> expected = {
      {"transformer.wte.weight", {100, 64}},          {"transformer.wpe.weight", {32, 64}},
      {"transformer.h.0.ln_1.weight", {64}},          {"transformer.h.0.ln_1.bias", {64}},
      {"transformer.h.0.attn.c_attn.weight", {192, 64}}, {"transformer.h.0.attn.c_attn.bias", {192}},
      {"transformer.h.0.attn.c_proj.weight", {64, 64}}, {"transformer.h.0.attn.c_proj.bias", {64}},
      {"transformer.h.0.ln_2.weight", {64}},          {"transformer.h.0.ln_2.bias", {64}},
      {"transformer.h.0.mlp.c_fc.weight", {256, 64}}, {"transformer.h.0.mlp.c_fc.bias", {256}},
      {"transformer.h.0.mlp.c_proj.weight", {64, 256}}, {"transformer.h.0.mlp.c_proj.bias", {64}},
      {"transformer.ln_f.weight", {64}},              {"transformer.ln_f.bias", {64}}};
  EXPECT_EQ(parameters(*outcome), expected);
}

TEST(Ablations, compileInAllCombinationsOfTokenSelection) {
  const char *switches[] = {"overlap=false", "branch_norm=true", "branch_kv=true", "nope=true", "fixed_gate=true"};
  for (int mask = 0; mask < 32; ++mask) {
    caa::FrontendOptions options;
    options.sets = {"layers=1", "dim=64", "heads=4", "kv_heads=2", "ffn=32", "vocab=50"};
    for (int k = 0; k < 5; ++k)
      if (mask >> k & 1)
        options.sets.push_back(std::string("caa.") + switches[k]);
    std::unique_ptr<Outcome> outcome = compile(models + "/caa_ablations.mdl", options);
    EXPECT_TRUE(outcome->good) << outcome->text;
  }
}

TEST(TrainBlock, reachesTheModuleWithDefaultsAndOverrides) {
  caa::FrontendOptions options;
  options.sets = {"layers=1", "train.optimizer.lr=1e-3", "train.groups.gate.clip=2", "train.precision=fp32", "train.data=my/folder"};
  std::unique_ptr<Outcome> outcome = compile(models + "/qwen_caa.mdl", options);
  ASSERT_TRUE(outcome->good) << outcome->text;
  auto train = outcome->module.get()->getAttrOfType<mlir::DictionaryAttr>("caa.train");
  auto real = [](mlir::DictionaryAttr d, const char *key) { return d.getAs<mlir::FloatAttr>(key).getValueAsDouble(); };
  auto optimizer = train.getAs<mlir::DictionaryAttr>("optimizer");
  EXPECT_EQ(real(optimizer, "lr"), 1e-3);
  EXPECT_EQ(real(optimizer, "beta2"), 0.98);
  EXPECT_EQ(real(optimizer, "eps"), 1e-8);
  auto group = llvm::cast<mlir::DictionaryAttr>(train.getAs<mlir::ArrayAttr>("groups")[0]);
  EXPECT_EQ(group.getAs<mlir::StringAttr>("name").getValue(), "gate");
  EXPECT_EQ(real(group, "clip"), 2);
  EXPECT_EQ(real(group, "weight_decay"), 0);
  EXPECT_EQ(train.getAs<mlir::StringAttr>("precision").getValue(), "fp32");
  EXPECT_EQ(train.getAs<mlir::StringAttr>("data").getValue(), "my/folder");
  EXPECT_EQ(train.getAs<mlir::IntegerAttr>("steps").getInt(), 20000);
  EXPECT_EQ(train.getAs<mlir::IntegerAttr>("batch").getInt(), 512);
  auto schedule = train.getAs<mlir::DictionaryAttr>("schedule");
  EXPECT_EQ(schedule.getAs<mlir::IntegerAttr>("warmup").getInt(), 2000);
  EXPECT_EQ(real(schedule, "end"), 0);
}

} // namespace
