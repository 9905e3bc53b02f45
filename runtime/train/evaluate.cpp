// Evaluation in batches, and the batch that fits.
#include "runtime/train/evaluate.h"

#include "runtime/base/signals.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numbers>

namespace caa {
namespace {

Evaluation resultOf(const Model &model, std::span<const double> means, std::span<const double> counts) {
  Evaluation result;
  const Image &image = model.image();
  for (size_t i = 0; i < means.size(); ++i) {
    std::string name(image.text(image.losses()[i].name));
    result.losses[name] += means[i];
    if (name == "loss")
      result.tokens = std::max(result.tokens, counts[i]);
  }
  result.loss = model.lossNamed("loss", means);
  return result;
}

} // namespace

Result<Evaluation> evaluateRows(Model &model, int64_t rows, int64_t batch,
                                const std::function<TokenBatch(int64_t, int64_t)> &read, Progress *progress) {
  std::vector<double> counts(model.lossCount()), sums(model.lossCount());
  std::vector<float> ones(model.lossCount(), 1.0f);
  bool stopped = false;
  for (int64_t row = 0; row < rows && !stopped; row += batch) {
    TokenBatch part = read(row, std::min(batch, rows - row));
    CAA_CHECK(checkTokens(model.image(), part.tokens, "the data"));
    CAA_CHECK(model.countLosses(part, counts));
    CAA_CHECK(model.evaluate(part, ones, sums));
    if (progress)
      progress->update(uint64_t(std::min(rows, row + batch)));
    stopped = stopRequested();
  }
  for (size_t i = 0; i < sums.size(); ++i)
    sums[i] = counts[i] > 0 ? sums[i] / counts[i] : 0;
  Evaluation result = resultOf(model, sums, counts);
  result.stopped = stopped;
  return result;
}

double bitsPerByte(double nats, double bytesPerToken) { return nats / (std::numbers::ln2 * bytesPerToken); }

Result<Evaluation> differentiate(Model &model, const TokenBatch &batch, int64_t microBatch) {
  std::vector<double> counts(model.lossCount()), sums(model.lossCount()), reports = model.emptyReports();
  for (int64_t row = 0; row < batch.rows; row += microBatch)
    CAA_CHECK(model.countLosses(batch.part(row, std::min(microBatch, batch.rows - row)), counts));
  auto scales = Model::scalesOf(counts);
  for (int64_t row = 0; row < batch.rows; row += microBatch)
    CAA_CHECK(model.microStep(batch.part(row, std::min(microBatch, batch.rows - row)), scales, sums, reports));
  return resultOf(model, sums, counts);
}

Result<int64_t> fittingBatch(Model &model, std::string_view entry, int64_t length, int64_t rows, int64_t reserved) {
  int64_t batch = std::clamp<int64_t>(model.engine().usualTokens() / length, 1, std::max<int64_t>(rows, 1));
  CAA_TRY(const int64_t available, model.engine().availableMemory());
  reserved += model.gpu() ? model.engine().parameterBytes() : 0; // a processor has them already
  for (;; batch = (batch + 1) / 2) {
    CAA_TRY(int64_t bytes, model.memoryOf(entry, batch, length));
    if (bytes + reserved <= available)
      return batch;
    if (batch == 1)
      return inputError(fmt::format("not enough memory: one row of {} tokens needs {} and {} has {} left{}", length,
                                    formatBytes(bytes + reserved), model.engine().place(), formatBytes(available),
                                    model.engine().memoryNote()));
  }
}

} // namespace caa
