// Training steps on whatever the model runs on.
//
//   stepper->load(rows);                   the next step's; a GPU copies them while it computes
//   stepper->begin(lr, update);            a GPU computes from here on
//   auto result = stepper->end();          the processor computes here
#pragma once

#include "runtime/train/adamw.h"
#include "runtime/train/model.h"

#include <memory>
#include <vector>

namespace caa {

struct StepResult {
  std::vector<double> sums, reports; // as Model::microStep leaves them
  GradientNorms norms;
  bool applied = false; // not if the loss or a norm is no finite number; then nothing was changed
};

class Stepper {
public:
  /// Steps of `batch` rows of `length` tokens; the gradients of `microBatch` rows are computed at a time. The model and
  /// the optimizer, whose state is that of the host now, outlive the result. `isFresh` says that its moments are zero,
  /// which saves copying them to a GPU.
  static Result<std::unique_ptr<Stepper>> create(Model &model, AdamW &optimizer, int64_t batch, int64_t microBatch,
                                                 int64_t length, bool isFresh = false);
  virtual ~Stepper() = default;

  virtual Status load(TokenBatch rows) = 0;
  /// A step at rate `lr` on the rows loaded before; it is the `update`-th to be applied, counted from 1.
  virtual Status begin(double lr, int64_t update) = 0;
  virtual Result<StepResult> end() = 0;
  /// Brings the optimizer's moments to the host.
  virtual Status fetchMoments() = 0;
};

} // namespace caa
