// Rows of tokens as a model's inputs: tokens, position, doc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace caa {

/// [rows, length] each, row-major. `position` counts from 0 in each row; `doc` is the number of end-of-text tokens
/// before a token in its row.
struct TokenBatch {
  int64_t rows = 0, length = 0;
  std::vector<int32_t> tokens, position, doc;

  /// Position and document from the tokens; without an end-of-text token a row is one document.
  static TokenBatch of(std::vector<int32_t> tokens, int64_t rows, int64_t length, std::optional<int32_t> endOfText);
  /// Rows [begin, begin + count) as a batch of their own.
  TokenBatch part(int64_t begin, int64_t count) const;
};

} // namespace caa
