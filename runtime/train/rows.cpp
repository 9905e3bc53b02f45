// Rows by place.
#include "runtime/train/rows.h"

#include "runtime/base/hash.h"

#include <algorithm>
#include <fmt/format.h>

namespace caa {
namespace {

struct Cut {
  uint64_t rows;
  int64_t length;
};

/// Rows of a file of `tokens` tokens: whole ones, or the one shorter row that it is.
Result<Cut> cutRows(const Path &path, uint64_t tokens, int64_t context) {
  if (tokens == 0)
    return inputError(fmt::format("{}: error: it holds no tokens", path.string()));
  if (tokens < uint64_t(context))
    return Cut{1, int64_t(tokens)};
  return Cut{tokens / uint64_t(context), context};
}

} // namespace

Result<TrainingRows> TrainingRows::shuffled(const PreparedData &data, int64_t context, uint64_t seed) {
  TrainingRows source;
  source.stream_ = data.tokens(Split::Train);
  source.rows_ = source.stream_.rows(uint64_t(context));
  if (source.rows_ == 0)
    return inputError(
        fmt::format("{}: error: the training split has {} tokens, less than one row of {}; prepare more text with "
                    "`caa-run data prepare`",
                    data.folder().string(), source.stream_.size(), context));
  source.length_ = context;
  source.order_.emplace(source.rows_, seed);
  source.endOfText_ = data.manifest().endOfText;
  std::string shards = data.manifest().tokenizerSha256;
  for (const auto &shard : data.manifest().part(Split::Train).shards)
    shards += shard.sha256;
  source.id_ = sha256(shards);
  return source;
}

Result<TrainingRows> TrainingRows::inOrder(const Path &path, int64_t context, std::optional<int32_t> endOfText) {
  CAA_TRY(auto file, TokenFile::open(path));
  CAA_TRY(Cut cut, cutRows(path, file.size(), context));
  if (file.size() == 1)
    return inputError(fmt::format("{}: error: it holds a single token: there is none to predict", path.string()));
  TrainingRows source;
  source.rows_ = cut.rows;
  source.length_ = cut.length;
  source.endOfText_ = endOfText;
  source.id_ = "tokens-" + hex64(file.checksum());
  source.stream_ = TokenStream({file});
  return source;
}

TokenBatch TrainingRows::read(uint64_t position, int64_t count) const {
  std::vector<int32_t> tokens(size_t(count * length_));
  for (int64_t i = 0; i < count; ++i) {
    uint64_t place = position + uint64_t(i), row = order_ ? order_->at(place) : place % rows_;
    stream_.readRow(row, std::span(tokens).subspan(size_t(i * length_), size_t(length_)));
  }
  return TokenBatch::of(std::move(tokens), count, length_, endOfText_);
}

Result<TokenBatch> readTokenRows(const Path &path, int64_t context, std::optional<int32_t> endOfText) {
  CAA_TRY(auto file, TokenFile::open(path));
  CAA_TRY(Cut cut, cutRows(path, file.size(), context));
  std::vector<int32_t> tokens(cut.rows * uint64_t(cut.length));
  file.read(0, tokens);
  return TokenBatch::of(std::move(tokens), int64_t(cut.rows), cut.length, endOfText);
}

} // namespace caa
