// Where a training run's rows come from: a prepared folder in shuffled order, or one token file in its own.
//
// A run's place is one number, the count of rows read so far; a row is a function of it, so a resumed run meets exactly
// the rows that it had not seen.
#pragma once

#include "runtime/data/prepared_data.h"
#include "runtime/data/row_order.h"
#include "runtime/train/batch.h"

#include <optional>
#include <string>

namespace caa {

class TrainingRows {
public:
  /// Shuffled anew each epoch. An error if the training split has no row.
  static Result<TrainingRows> shuffled(const PreparedData &data, int64_t context, uint64_t seed);
  /// Rows in order, from the start again after the last. A rest shorter than `context` counts only if it is all there
  /// is.
  static Result<TrainingRows> inOrder(const Path &tokens, int64_t context, std::optional<int32_t> endOfText);

  uint64_t rows() const { return rows_; }
  int64_t length() const { return length_; }
  /// `count` rows from place `position` on.
  TokenBatch read(uint64_t position, int64_t count) const;
  /// Identifies the data: another one makes another run.
  const std::string &id() const { return id_; }

private:
  TokenStream stream_;
  std::optional<RowOrder> order_;
  std::optional<int32_t> endOfText_;
  uint64_t rows_ = 0;
  int64_t length_ = 0;
  std::string id_;
};

/// The whole rows of a token file as one batch, a single shorter row if there is none; every id is checked by the
/// caller.
Result<TokenBatch> readTokenRows(const Path &path, int64_t context, std::optional<int32_t> endOfText);

} // namespace caa
