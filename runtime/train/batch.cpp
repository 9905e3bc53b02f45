// Derived inputs, and cutting a step's batch into micro-batches.
#include "runtime/train/batch.h"

namespace caa {

TokenBatch TokenBatch::of(std::vector<int32_t> tokens, int64_t rows, int64_t length, std::optional<int32_t> endOfText) {
  TokenBatch batch{rows, length, std::move(tokens), {}, {}};
  batch.position.resize(batch.tokens.size());
  batch.doc.resize(batch.tokens.size());
  for (int64_t row = 0; row < rows; ++row) {
    int32_t documents = 0;
    for (int64_t i = 0; i < length; ++i) {
      int64_t at = row * length + i;
      batch.position[at] = int32_t(i);
      batch.doc[at] = documents;
      documents += endOfText && batch.tokens[at] == *endOfText;
    }
  }
  return batch;
}

TokenBatch TokenBatch::part(int64_t begin, int64_t count) const {
  auto cut = [&](const std::vector<int32_t> &all) {
    return std::vector<int32_t>(all.begin() + begin * length, all.begin() + (begin + count) * length);
  };
  return {count, length, cut(tokens), cut(position), cut(doc)};
}

} // namespace caa
