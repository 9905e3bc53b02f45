// `caa-run generate`.
#include "runtime/cli/command.h"
#include "runtime/cli/compute_options.h"
#include "runtime/cli/numbers.h"
#include "runtime/train/sampler.h"
#include "runtime/train/settings.h"
#include "runtime/train/sources.h"

#include <cstdio>
#include <fmt/format.h>
#include <memory>

namespace caa {
namespace {

struct GenerateOptions {
  Path so;
  std::optional<Path> checkpoint;
  std::string prompt;
  Sampling sampling;
  ComputeOptions compute;
};

/// Prints bytes as soon as they are whole characters.
class Printer {
public:
  void add(std::string_view bytes) {
    pending_ += bytes;
    // The longest prefix that does not end inside of a character: at most three bytes wait.
    size_t whole = pending_.size();
    for (size_t back = 1; back <= std::min<size_t>(3, pending_.size()); ++back) {
      auto byte = static_cast<unsigned char>(pending_[pending_.size() - back]);
      if (byte < 0x80)
        break;
      if (byte >= 0xc0) {
        size_t due = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
        if (back < due)
          whole = pending_.size() - back;
        break;
      }
    }
    flush(whole);
  }
  void finish() { flush(pending_.size()); }

private:
  void flush(size_t size) {
    fmt::print("{}", printable(std::string_view(pending_).substr(0, size)));
    std::fflush(stdout);
    pending_.erase(0, size);
  }
  std::string pending_;
};

Status generateText(const GenerateOptions &options) {
  CAA_CHECK(options.compute.check());
  CAA_TRY(auto model, Model::load(options.so, options.compute.choice()));
  auto context = modelSetting(model->image(), "context");
  if (!context || !model->hasEntry("logits"))
    return model->image().error("the model has no logits: it cannot generate");
  CAA_TRY(auto checkpoint, loadWeights(*model, {}, options.checkpoint));
  if (!checkpoint->tokenizer())
    return inputError(fmt::format("{}: error: there is no tokenizer.json: it was trained on bare tokens",
                                  checkpoint->path().string()));
  CAA_TRY(auto tokenizer, Tokenizer::load(*checkpoint->tokenizer()));
  CAA_TRY(int32_t endOfText, tokenizer.endOfText());
  CAA_TRY(auto tokens, tokenizer.encode(options.prompt, SpecialTokens::Recognised));
  CAA_CHECK(checkTokens(model->image(), tokens, "the prompt"));
  if (tokens.empty())
    tokens.push_back(endOfText); // a text begins where another one ends
  Sampling sampling = options.sampling;
  sampling.seed = options.compute.seed.value_or(0);
  Printer printer;
  printer.add(options.prompt);
  CAA_CHECK(generate(*model, tokens, sampling, endOfText, *context,
                     [&](int32_t token) { printer.add(tokenizer.bytesOf(token)); }));
  printer.finish();
  fmt::print("\n");
  return {};
}

} // namespace

void addGenerateCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<GenerateOptions>();
  auto *command = app.add_subcommand("generate", "Continue a text with a trained model");
  command->add_option("SO", options->so, "The compiled model")->required();
  command->add_option("-p,--prompt", options->prompt, "The text to continue")->required();
  command->add_option("--checkpoint", options->checkpoint, "A checkpoint or a run (default: runs/last)");
  command->add_option("--length", options->sampling.length, "Tokens to add")
      ->capture_default_str()
      ->check(wholeNumber(0));
  command->add_option("--temperature", options->sampling.temperature, "0: always the likeliest token")
      ->capture_default_str()
      ->check(notNegative());
  command->add_option("--top-k", options->sampling.topK, "Among the K likeliest tokens; 0: all")
      ->capture_default_str()
      ->check(wholeNumber(0));
  options->compute.addTo(*command);
  command->callback([options, &action] { action = [options] { return generateText(*options); }; });
}

} // namespace caa
