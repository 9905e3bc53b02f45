// `caa-run data tokenizer` and `caa-run data prepare`.
#include "runtime/base/files.h"
#include "runtime/base/progress.h"
#include "runtime/cli/command.h"
#include "runtime/cli/numbers.h"
#include "runtime/data/bpe_trainer.h"
#include "runtime/data/documents.h"
#include "runtime/data/prepare.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>

namespace caa {
namespace {

struct DataOptions {
  std::vector<std::string> files;
  std::string output, tokenizer, splitOn, salt = "caa";
  int64_t vocab = 0;
  uint64_t shardTokens = 100'000'000;
  unsigned threads = 0;
};

std::vector<Path> pathsOf(const std::vector<std::string> &names) { return {names.begin(), names.end()}; }

Status trainAndWrite(const DataOptions &options) {
  CAA_TRY(auto json, trainTokenizer({pathsOf(options.files), options.vocab, options.threads}));
  CAA_CHECK(writeFile(options.output, json));
  fmt::print("{}: {} entries\n", options.output, options.vocab);
  return {};
}

Status prepareAndTell(const DataOptions &options) {
  Preparation preparation;
  preparation.files = pathsOf(options.files);
  preparation.output = options.output;
  preparation.tokenizer = options.tokenizer;
  preparation.splitOn = unescape(options.splitOn);
  preparation.salt = options.salt;
  preparation.shardTokens = options.shardTokens;
  preparation.threads = options.threads;
  CAA_TRY(auto manifest, prepareData(preparation));
  for (Split split : allSplits) {
    const auto &part = manifest.part(split);
    fmt::print("{:5}  {} documents, {} tokens, {} bytes\n", nameOf(split), part.documents, part.tokens, part.bytes);
  }
  fmt::print("{}: ready\n", options.output);
  return {};
}

} // namespace

void addDataCommands(CLI::App &app, Action &action) {
  auto options = std::make_shared<DataOptions>();
  auto *data = app.add_subcommand("data", "Make a tokenizer; turn text into training data");
  data->require_subcommand(1);

  auto *tokenizer = data->add_subcommand("tokenizer", "Train a byte-level BPE tokenizer on text");
  tokenizer->add_option("TEXT", options->files, "Files of text, .jsonl (also .gz, .zst) or .parquet")->required();
  tokenizer->add_option("-o,--output", options->output, "The tokenizer.json to write")->required();
  tokenizer->add_option("--vocab", options->vocab, "Entries in the vocabulary, special tokens included")->required();

  auto *prepare = data->add_subcommand("prepare", "Tokenise text, split it 80/10/10 by document, write shards");
  prepare
      ->add_option(
          "FILES", options->files,
          "Files: .parquet with a column \"text\", .jsonl with a field \"text\", or text (these two also .gz, .zst)")
      ->required();
  prepare->add_option("-o,--output", options->output, "The folder to write")->required();
  prepare->add_option("--tokenizer", options->tokenizer, "A byte-level BPE tokenizer.json, or a .tiktoken file")
      ->required();
  prepare->add_option("--split-on", options->splitOn,
                      "Cut text files into documents at this string (\\n, \\t, \\r and \\\\ are understood)");
  prepare->add_option("--salt", options->salt, "Another salt gives another split")->capture_default_str();
  prepare->add_option("--shard-tokens", options->shardTokens, "The most tokens in a shard")
      ->capture_default_str()
      ->check(wholeNumber(1, INT32_MAX));
  for (auto *command : {tokenizer, prepare})
    command->add_option("--threads", options->threads, "Threads (default: all cores)")->check(wholeNumber(1, 1024));

  tokenizer->callback([options, &action] { action = [options] { return trainAndWrite(*options); }; });
  prepare->callback([options, &action] { action = [options] { return prepareAndTell(*options); }; });
}

} // namespace caa
