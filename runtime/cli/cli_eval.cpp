// `caa-run eval`: losses on a split or on one token file, and the dump that comparisons read.
#include "runtime/cli/command.h"
#include "runtime/cli/compute_options.h"
#include "runtime/data/tokenizer.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/rows.h"
#include "runtime/train/settings.h"
#include "runtime/train/sources.h"

#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

struct EvalOptions {
  Path so;
  std::optional<Path> weights, checkpoint, data, tokens, dump;
  std::optional<std::string> split;
  ComputeOptions compute;
};

/// Loss, logits and gradients of the batch, whole or in parts.
Status dump(Model &model, const TokenBatch &batch, int64_t part, const Path &path) {
  CAA_TRY(auto result, differentiate(model, batch, part));
  CAA_TRY(ParameterArena * gradients, model.gradients());
  std::vector<float> loss = {float(result.loss)}, logits;
  for (int64_t row = 0; row < batch.rows; row += part) {
    CAA_TRY(auto some, model.logits(batch.part(row, std::min(part, batch.rows - row))));
    logits.insert(logits.end(), some.begin(), some.end());
  }
  std::vector<TensorView> tensors = {viewOf("loss", {}, loss)};
  tensors.push_back(
      viewOf("logits", {batch.rows, batch.length, int64_t(logits.size()) / (batch.rows * batch.length)}, logits));
  for (TensorView &view : gradients->views(model.image(), "d_"))
    tensors.push_back(std::move(view));
  return writeSafetensors(path, tensors);
}

void print(const Evaluation &result, std::string_view what) {
  fmt::print("{} loss {:.6f} over {:.0f} tokens", what, result.loss, result.tokens);
  for (const auto &[name, value] : result.losses)
    if (name != "loss")
      fmt::print(", {} {:.6f}", name, value);
}

Status evalTokens(Model &model, const EvalOptions &options, int64_t context, std::optional<int32_t> endOfText) {
  CAA_TRY(auto batch, readTokenRows(*options.tokens, context, endOfText));
  CAA_CHECK(checkTokens(model.image(), batch.tokens, fmt::format("`{}`", options.tokens->string())));
  CAA_TRY(int64_t part, fittingBatch(model, "eval_step", batch.length, batch.rows));
  auto read = [&](int64_t begin, int64_t count) { return batch.part(begin, count); };
  CAA_TRY(auto result, evaluateRows(model, batch.rows, part, read, nullptr));
  print(result, options.tokens->string());
  fmt::print("\n");
  if (!options.dump)
    return {};
  CAA_TRY(part, fittingBatch(model, "micro_step", batch.length, batch.rows, parameterElements(model.image()) * 4));
  return dump(model, batch, part, *options.dump);
}

Status evalSplit(Model &model, const PreparedData &data, Split split, int64_t context) {
  const TokenStream &tokens = data.tokens(split);
  int64_t length = std::min<int64_t>(context, int64_t(tokens.size()));
  if (length < 2)
    return inputError(
        fmt::format("{}: error: the split `{}` has no row to evaluate", data.folder().string(), nameOf(split)));
  int64_t rows = int64_t(tokens.rows(uint64_t(length)));
  CAA_TRY(int64_t part, fittingBatch(model, "eval_step", length, rows));
  auto read = [&](int64_t begin, int64_t count) {
    std::vector<int32_t> ids(size_t(count * length));
    tokens.read(uint64_t(begin * length), ids);
    return TokenBatch::of(std::move(ids), count, length, data.manifest().endOfText);
  };
  Progress progress(std::string(nameOf(split)), uint64_t(rows));
  CAA_TRY(auto result, evaluateRows(model, rows, part, read, &progress));
  progress.finish();
  print(result, nameOf(split));
  fmt::print(", {:.4f} bits per byte{}\n", bitsPerByte(result.loss, data.bytesPerToken(split)),
             result.stopped ? " (stopped early)" : "");
  return {};
}

Status evalModel(const EvalOptions &options) {
  CAA_CHECK(options.compute.check());
  if (options.dump && !options.tokens)
    return usageError("--dump goes with --tokens");
  if (options.tokens && options.split)
    return usageError("--split goes with --data, not with --tokens");
  CAA_TRY(auto model, Model::load(options.so, options.compute.choice()));
  auto context = modelSetting(model->image(), "context");
  if (!context || *context < 1)
    return model->image().error("the model has no `context`: it cannot be evaluated");

  CAA_TRY(auto checkpoint, loadWeights(*model, options.weights, options.checkpoint));
  std::optional<int32_t> endOfText;
  if (checkpoint && checkpoint->tokenizer()) {
    CAA_TRY(auto tokenizer, Tokenizer::load(*checkpoint->tokenizer()));
    CAA_TRY(endOfText, tokenizer.endOfText());
  }
  if (options.tokens)
    return evalTokens(*model, options, *context, endOfText);

  std::string folder;
  if (options.data) {
    folder = options.data->string();
  } else { // what the run was trained on, else what the model says
    std::optional<Json> base;
    if (checkpoint)
      base = checkpoint->state().settings;
    CAA_TRY(auto settings, trainSettings(model->image(), {}, base));
    folder = settings.data;
  }
  CAA_TRY(auto data, openPrepared(folder, model->image()));
  for (Split split : {Split::Val, Split::Test})
    if (!options.split || *options.split == nameOf(split))
      CAA_CHECK(evalSplit(*model, data, split, *context));
  return {};
}

} // namespace

void addEvalCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<EvalOptions>();
  auto *eval = app.add_subcommand("eval", "Loss and bits per byte of a trained model");
  eval->add_option("SO", options->so, "The compiled model")->required();
  auto *weights =
      eval->add_option("--weights", options->weights, "Weights (safetensors, also sharded Hugging Face files)");
  eval->add_option("--checkpoint", options->checkpoint, "A checkpoint or a run (default: runs/last)")
      ->excludes(weights);
  auto *data = eval->add_option("--data", options->data, "A folder of `data prepare` (default: the model's `data`)");
  eval->add_option("--tokens", options->tokens, "A token file: its rows are one batch")->excludes(data);
  eval->add_option("--split", options->split, "val or test (default: both)")->check(CLI::IsMember({"val", "test"}));
  eval->add_option("--dump", options->dump, "With --tokens: write loss, logits and gradients here");
  options->compute.addTo(*eval);
  eval->callback([options, &action] { action = [options] { return evalModel(*options); }; });
}

} // namespace caa
