// Losses over many rows, batch by batch: the mean over all tokens, whatever the batches.
#pragma once

#include "runtime/base/progress.h"
#include "runtime/train/model.h"

#include <functional>
#include <map>
#include <string>

namespace caa {

struct Evaluation {
  double loss = 0;                      // the model's own, in nats
  std::map<std::string, double> losses; // all, by name
  double tokens = 0;                    // predicted ones
  bool stopped = false;                 // by Ctrl-C: over the rows so far
};

/// Rows [0, rows) in batches of at most `batch`; `read` makes rows [begin, begin + count). `progress` may be null.
Result<Evaluation> evaluateRows(Model &model, int64_t rows, int64_t batch,
                                const std::function<TokenBatch(int64_t begin, int64_t count)> &read,
                                Progress *progress);

/// Nats per token as bits per byte of text.
double bitsPerByte(double nats, double bytesPerToken);

/// Loss and gradients of one batch, computed in micro-batches; gradients are added to the model's.
Result<Evaluation> differentiate(Model &model, const TokenBatch &batch, int64_t microBatch);

/// How many rows at a time fit: as many tokens as keep the engine busy, less where memory is short. An error where not even one row fits.
Result<int64_t> fittingBatch(Model &model, std::string_view entry, int64_t length, int64_t rows, int64_t reserved = 0);

} // namespace caa
