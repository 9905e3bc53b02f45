// The pipeline of prepare.h: batches of documents are read in order, parsed and encoded on all threads, and written in
// order.
#include "runtime/data/prepare.h"

#include "runtime/base/hash.h"
#include "runtime/base/parallel.h"
#include "runtime/base/progress.h"
#include "runtime/base/signals.h"
#include "runtime/base/unfinished_folder.h"
#include "runtime/data/documents.h"
#include "runtime/data/journal.h"
#include "runtime/data/tiktoken.h"
#include "runtime/data/token_file.h"
#include "runtime/data/tokenizer.h"

#include <cmath>
#include <fmt/format.h>
#include <mutex>

namespace caa {
namespace {

/// A batch's tokens, by split.
struct EncodedBatch {
  struct Part {
    std::vector<int32_t> tokens;
    uint64_t documents = 0, bytes = 0;
  };
  std::array<Part, 3> parts;
  uint64_t stored = 0; // how far the files are read
  std::string place;
};

/// Where a batch ends, as a text that says whether another reading of the files made the same batch of them.
std::string placeOf(const DocumentBatch &batch) {
  return fmt::format("{}: {}, {} + {}, {}, {} + {}", batch.file.string(), batch.stored, batch.offset, batch.bytes.size(),
                     batch.group, batch.firstRow, batch.rows.size());
}

/// One encoder a thread, kept between batches for the pieces that it remembers.
class EncoderPool {
public:
  explicit EncoderPool(const Tokenizer &tokenizer) : tokenizer_(tokenizer) {}
  std::unique_ptr<Encoder> take() {
    std::lock_guard lock(mutex_);
    if (idle_.empty())
      return std::make_unique<Encoder>(tokenizer_);
    auto encoder = std::move(idle_.back());
    idle_.pop_back();
    return encoder;
  }
  void giveBack(std::unique_ptr<Encoder> encoder) {
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(encoder));
  }

private:
  const Tokenizer &tokenizer_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Encoder>> idle_;
};

/// The shards of one split, one after the other.
class ShardWriter {
public:
  /// Goes on after the shards that are there already.
  ShardWriter(Path folder, Split split, int width, uint64_t limit, std::vector<Manifest::Shard> shards)
      : folder_(std::move(folder)), split_(split), width_(width), limit_(limit), shards_(std::move(shards)) {}

  Status write(std::span<const int32_t> tokens) {
    while (!tokens.empty()) {
      if (!writer_) {
        name_ = fmt::format("{}_{:06}.bin", nameOf(split_), shards_.size());
        CAA_TRY(auto writer, TokenWriter::create(folder_ / name_, width_));
        writer_.emplace(std::move(writer));
      }
      size_t count = std::min<uint64_t>(tokens.size(), limit_ - writer_->size());
      CAA_CHECK(writer_->write(tokens.first(count)));
      tokens = tokens.subspan(count);
      if (writer_->size() == limit_)
        CAA_CHECK(finishShard());
    }
    return {};
  }

  /// Closes the shard that is being written, if there is one; all of them.
  Result<std::vector<Manifest::Shard>> finish() {
    if (writer_)
      CAA_CHECK(finishShard());
    return shards_;
  }

private:
  Status finishShard() {
    uint64_t tokens = writer_->size();
    CAA_CHECK(writer_->finish());
    writer_.reset();
    CAA_TRY(auto file, TokenFile::open(folder_ / name_));
    CAA_TRY(auto digest, sha256File(folder_ / name_));
    shards_.push_back({name_, tokens, digest, hex64(file.checksum())});
    return {};
  }

  Path folder_;
  Split split_;
  int width_;
  uint64_t limit_;
  std::string name_;
  std::optional<TokenWriter> writer_;
  std::vector<Manifest::Shard> shards_;
};

Result<EncodedBatch> encodeBatch(DocumentBatch &batch, Encoder &encoder, const Manifest &manifest) {
  EncodedBatch encoded;
  encoded.stored = batch.stored;
  encoded.place = placeOf(batch);
  CAA_TRY(auto documents, batch.parse());
  for (const std::string &document : documents) {
    auto &part = encoded.parts[size_t(splitOf(document, manifest.salt))];
    CAA_CHECK(encoder.encode(document, part.tokens));
    part.tokens.push_back(manifest.endOfText);
    part.bytes += document.size();
    ++part.documents;
  }
  return encoded;
}

double entropy(const std::vector<uint64_t> &counts, uint64_t total) {
  double sum = 0;
  for (uint64_t count : counts)
    if (count > 0)
      sum -= double(count) / double(total) * std::log(double(count) / double(total));
  return sum;
}

/// A folder that may be replaced: absent, empty, or prepared data.
Status checkOutput(const Path &output) {
  std::error_code code;
  if (!std::filesystem::exists(output, code))
    return {};
  if (!std::filesystem::is_directory(output, code))
    return inputError(fmt::format("{}: error: it is a file; -o names a folder", output.string()));
  if (!std::filesystem::is_empty(output, code) && !std::filesystem::exists(output / Manifest::fileName, code))
    return inputError(fmt::format(
        "{}: error: the folder holds other files and no prepared data: it will not be replaced", output.string()));
  return {};
}

Status checkSplits(const Preparation &preparation, const Manifest &manifest) {
  for (Split split : allSplits) {
    if (manifest.part(split).documents > 0)
      continue;
    uint64_t documents = 0;
    for (Split each : allSplits)
      documents += manifest.part(each).documents;
    return inputError(
        fmt::format("{}: error: the {} split would be empty: the text is only {} document{}; cut it into more with "
                    "`--split-on STRING` (for example --split-on '\\n\\n'), or give more files",
                    preparation.files.front().string(), nameOf(split), documents, documents == 1 ? "" : "s"));
  }
  return {};
}

} // namespace

Result<Manifest> prepareData(const Preparation &preparation) {
  CAA_CHECK(checkOutput(preparation.output));
  CAA_TRY(auto tokenizerText, readTokenizer(preparation.tokenizer));
  CAA_TRY(auto tokenizer, Tokenizer::parse(preparation.tokenizer, tokenizerText));
  Manifest manifest;
  manifest.tokenizerSha256 = sha256(tokenizerText);
  manifest.salt = preparation.salt;
  manifest.vocabSize = tokenizer.vocabSize();
  CAA_TRY(manifest.endOfText, tokenizer.endOfText());

  DocumentReader reader(preparation.files, preparation.splitOn);
  CAA_TRY(uint64_t total, reader.totalSize());
  CAA_TRY(auto folder, UnfinishedFolder::open(preparation.output));
  const auto identity = identityOf(preparation, tokenizerText);
  Journal journal{.counts = std::vector<uint64_t>(size_t(manifest.vocabSize)), .manifest = manifest};
  if (auto earlier = Journal::resume(folder.path(), identity.value_or("")); earlier && identity) {
    journal = std::move(*earlier);
    manifest = journal.manifest;
    folder.keep();
    fmt::print(stderr, "going on after {} tokens that an earlier run left\n",
               manifest.part(Split::Train).tokens + manifest.part(Split::Val).tokens + manifest.part(Split::Test).tokens);
  }
  const uint64_t doneBefore = journal.batches;
  std::vector<ShardWriter> writers;
  const uint64_t shardTokens = std::min(preparation.shardTokens, TokenWriter::largestSize);
  for (Split split : allSplits)
    writers.emplace_back(folder.path(), split, tokenWidth(manifest.vocabSize), shardTokens, manifest.part(split).shards);
  EncoderPool pool(tokenizer);
  Progress::Options options;
  options.plain = !preparation.quiet;
  Progress progress("preparing", total, options);
  progress.startAt(journal.stored);

  // Batches depend on the files alone, so those that are done are read past.
  uint64_t passed = 0;
  auto next = [&]() -> Result<std::optional<DocumentBatch>> {
    for (;;) {
      if (stopRequested())
        return inputError(fmt::format("{}: stopped", preparation.output.string()));
      auto batch = reader.next();
      if (!batch || passed == doneBefore)
        return batch;
      if (++passed == doneBefore && (!*batch || placeOf(**batch) != journal.place))
        return inputError(fmt::format("{}: error: what an earlier run left does not fit the files: remove {}",
                                      preparation.output.string(), folder.path().string()));
    }
  };
  auto work = [&](DocumentBatch &batch) -> Result<EncodedBatch> {
    auto encoder = pool.take();
    auto encoded = encodeBatch(batch, *encoder, manifest);
    pool.giveBack(std::move(encoder));
    return encoded;
  };
  uint64_t bytesDone = 0, tokensDone = 0, batches = doneBefore;
  uint64_t sectionBegin = manifest.part(Split::Train).tokens;
  for (const auto &part : manifest.parts) {
    bytesDone += part.bytes;
    tokensDone += part.tokens;
  }
  // Closes all shards and notes how far they go. When that happens depends on the files alone, as the shards do.
  auto closeSection = [&](const EncodedBatch &last) -> Status {
    for (Split split : allSplits) {
      CAA_TRY(manifest.part(split).shards, writers[size_t(split)].finish());
    }
    sectionBegin = manifest.part(Split::Train).tokens;
    if (!identity)
      return {};
    journal.identity = *identity;
    journal.batches = batches;
    journal.place = last.place;
    journal.stored = last.stored;
    journal.manifest = manifest;
    CAA_CHECK(journal.write(folder.path()));
    folder.keep();
    return {};
  };
  auto consume = [&](EncodedBatch &batch) -> Status {
    for (Split split : allSplits) {
      auto &from = batch.parts[size_t(split)];
      auto &to = manifest.part(split);
      CAA_CHECK(writers[size_t(split)].write(from.tokens));
      to.documents += from.documents;
      to.tokens += from.tokens.size();
      to.bytes += from.bytes;
      bytesDone += from.bytes;
      tokensDone += from.tokens.size();
    }
    for (int32_t token : batch.parts[size_t(Split::Train)].tokens)
      ++journal.counts[size_t(token)];
    ++batches;
    if (manifest.part(Split::Train).tokens - sectionBegin >= (shardTokens + 1) / 2)
      CAA_CHECK(closeSection(batch));
    progress.update(std::min(batch.stored, total),
                    fmt::format("{}B  {} tokens", formatCount(double(bytesDone)), formatCount(double(tokensDone))));
    return {};
  };
  Status done =
      orderedParallel<DocumentBatch, EncodedBatch>(threadCount(preparation.threads), next, work, consume);
  if (!done) {
    Error error = done.error();
    if (journal.batches)
      error.message += "; what was done so far is kept: the same command on the same files goes on";
    else if (stopRequested())
      error.message += "; nothing was written";
    return error;
  }

  CAA_CHECK(checkSplits(preparation, manifest));
  for (Split split : allSplits) {
    CAA_TRY(manifest.part(split).shards, writers[size_t(split)].finish());
  }
  progress.update(total, fmt::format("{} tokens", formatCount(double(tokensDone))));
  manifest.unigramEntropy = entropy(journal.counts, manifest.part(Split::Train).tokens);
  CAA_CHECK(writeFile(folder.path() / Manifest::tokenizerName, tokenizerText));
  CAA_CHECK(manifest.write(folder.path()));
  std::error_code code;
  std::filesystem::remove(folder.path() / Journal::fileName, code);
  CAA_CHECK(folder.publish());
  return manifest;
}

} // namespace caa
