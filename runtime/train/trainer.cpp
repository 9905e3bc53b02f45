// The loop: steps, validation, checkpoints, the end.
#include "runtime/train/trainer.h"

#include "runtime/base/signals.h"
#include "runtime/report/html.h"
#include "runtime/train/sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <numeric>

namespace caa {
namespace {

constexpr int toleratedSkips = 5;      // steps in a row whose gradient is no number
constexpr int64_t validationRows = 64; // of the validation split, evenly spread

using Clock = std::chrono::steady_clock;
double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

} // namespace

Status Trainer::load(uint64_t position) {
  TokenBatch rows = rows_->read(position, settings_.batch);
  CAA_CHECK(checkTokens(model_->image(), rows.tokens, "the training data"));
  CAA_CHECK(stepper_->load(std::move(rows)));
  areRowsLoaded_ = true;
  return {};
}

/// The next step's numbers; the rows of the one after it are loaded meanwhile. Counts the step as done.
Result<StepResult> Trainer::compute() {
  const int64_t number = state_.step + 1;
  if (!areRowsLoaded_)
    CAA_CHECK(load(state_.position));
  CAA_CHECK(stepper_->begin(rateOf(number), state_.updates + 1));
  areRowsLoaded_ = false;
  if (number < last_) // while a GPU computes
    CAA_CHECK(load(state_.position + uint64_t(settings_.batch)));
  auto result = stepper_->end();
  if (!result)
    return result;
  state_.updates += result->applied;
  state_.step = number;
  state_.position += uint64_t(settings_.batch);
  return result;
}

Status Trainer::step() {
  auto start = Clock::now();
  CAA_TRY(auto result, compute());
  const auto &[sums, reports, norms, usable] = result;
  const int64_t batch = settings_.batch, number = state_.step;
  if (usable) {
    skippedInARow_ = 0;
  } else {
    ++skippedInARow_;
    const bool isLossFinite = std::isfinite(std::accumulate(sums.begin(), sums.end(), 0.0));
    progress_->print(fmt::format("step {}: the {} is not a finite number; the step is skipped", number,
                                 isLossFinite ? "gradient" : "loss"));
  }
  const double seconds = secondsSince(start), rate = double(batch * rows_->length()) / seconds;
  state_.seconds += seconds;
  lastLoss_ = model_->lossNamed("loss", sums);
  lastRate_ = lastRate_ == 0 ? rate : 0.9 * lastRate_ + 0.1 * rate;

  OrderedJson row;
  row["step"] = number;
  row["loss"] = lastLoss_;
  row["lr"] = rateOf(number);
  row["grad_norm"] = norms.norms[0];
  row["tokens_per_s"] = rate;
  row["mfu"] = peak_ > 0 ? OrderedJson(flopsPerToken_ * rate / peak_) : OrderedJson(nullptr);
  CAA_TRY(row["memory_bytes"], model_->engine().peakMemory());
  for (size_t i = 1; i < norms.norms.size(); ++i)
    row["grad_norm/" + norms.names[i]] = norms.norms[i];
  std::map<std::string, double> named;
  for (size_t i = 0; i < sums.size(); ++i)
    named[std::string(model_->image().text(model_->image().losses()[i].name))] += sums[i];
  named.erase("loss");
  for (const auto &[name, value] : named)
    row["loss/" + name] = value;
  if (!usable)
    row["skipped"] = true;
  describeReports(reports, row);

  const int64_t evalEvery = options_.evalEvery.value_or(std::max<int64_t>(settings_.steps / 20, 10));
  if (data_ && evalEvery > 0 && (number % evalEvery == 0 || number == last_))
    CAA_CHECK(validate(row));
  CAA_CHECK(log_->write(number, row));
  if (options_.sampleEvery > 0 && number % options_.sampleEvery == 0 && number < last_)
    CAA_CHECK(sample());
  if (skippedInARow_ >= toleratedSkips)
    return inputError(
        fmt::format("{} steps in a row gave a loss or gradient that is no finite number: stopped. The last good "
                    "checkpoint is {}; a lower `--set train.optimizer.lr` may help",
                    skippedInARow_, lastSaved_.empty() ? std::string("none (nothing was saved yet)") : "`" + lastSaved_.string() + "`"));
  return {};
}

void Trainer::describeReports(std::span<const double> reports, OrderedJson &row) const {
  const Image &image = model_->image();
  for (const caa_report &report : image.reports()) {
    const double *five = reports.data() + 5 * (&report - image.reports().data());
    if (five[0] <= 0)
      continue;
    auto path = fmt::format("{}/{}", image.text(report.name), image.text(report.path));
    double mean = five[1] / five[0];
    row[path + "/mean"] = mean;
    row[path + "/deviation"] = std::sqrt(std::max(0.0, five[2] / five[0] - mean * mean));
    row[path + "/least"] = five[3];
    row[path + "/most"] = five[4];
  }
}

Status Trainer::validate(OrderedJson &row) {
  doing_ = Doing::Validation;
  const TokenStream &tokens = data_->tokens(Split::Val);
  int64_t length = std::min<int64_t>(context_, int64_t(tokens.size()));
  if (length < 2)
    return {};
  int64_t all = int64_t(tokens.rows(uint64_t(length))), rows = std::min(all, validationRows);
  auto read = [&](int64_t begin, int64_t count) {
    std::vector<int32_t> ids(size_t(count * length));
    for (int64_t i = 0; i < count; ++i)
      tokens.readRow(uint64_t((begin + i) * all / rows), std::span(ids).subspan(size_t(i * length), size_t(length)));
    return TokenBatch::of(std::move(ids), count, length, data_->manifest().endOfText);
  };
  CAA_TRY(auto result, evaluateRows(*model_, rows, std::min(microBatch_, rows), read, nullptr));
  valLoss_ = result.loss;
  valBits_ = bitsPerByte(result.loss, data_->bytesPerToken(Split::Val));
  row["val_loss"] = *valLoss_;
  row["val_bpb"] = *valBits_;
  progress_->print(fmt::format("step {}: val loss {:.4f}, {:.4f} bits per byte", state_.step, *valLoss_, *valBits_));
  doing_ = Doing::Step;
  return {};
}

Status Trainer::save() {
  CAA_TRY(const ParameterArena *parameters, model_->currentParameters());
  CAA_CHECK(stepper_->fetchMoments());
  CAA_TRY(lastSaved_, saveCheckpoint(run_, {model_->image(), *parameters, *optimizer_, state_, tokenizer_},
                                     options_.keep));
  return {};
}

Status Trainer::run() {
  describe();
  Status status = train();
  if (status)
    return status;
  if (status.error().fault)
    return located(status.error());
  if (!lastSaved_.empty())
    fmt::print(stderr, "\nstopped after step {} of {}; `{}` is whole\nto go on: caa-run train {} --resume {}\n", state_.step,
               settings_.steps, lastSaved_.string(), options_.so.string(), run_.string());
  return status;
}

Status Trainer::train() {
  progress_ = std::make_unique<Progress>("training", uint64_t(last_));
  progress_->startAt(uint64_t(std::min(state_.step, last_)));
  progress_->update(uint64_t(std::min(state_.step, last_)));
  const int64_t saveEvery = options_.checkpointEvery.value_or(std::max<int64_t>(settings_.steps / 10, 50));
  bool stopped = stopRequested();
  while (state_.step < last_ && !stopped) {
    CAA_CHECK(step());
    auto fields = fmt::format("loss {:.4f}  {} tokens/s", lastLoss_, formatCount(lastRate_));
    if (peak_ > 0)
      fields += fmt::format("  MFU {:.0f} %", 100 * flopsPerToken_ * lastRate_ / peak_);
    if (auto bytes = model_->engine().peakMemory())
      fields += fmt::format("  {}", formatBytes(*bytes));
    progress_->update(uint64_t(state_.step), fields);
    stopped = stopRequested();
    if (state_.step == last_ || stopped || (saveEvery > 0 && state_.step % saveEvery == 0))
      CAA_CHECK(save());
  }
  if (lastSaved_.empty()) // not a single step was due
    CAA_CHECK(save());
  progress_->finish();
  return finish(stopped);
}

Status Trainer::finish(bool stopped) {
  if (stopped || state_.step < settings_.steps)
    fmt::print(stderr, "stopped after step {} of {}; saved as {}\nto go on: caa-run train {} --resume {}\n",
               state_.step, settings_.steps, lastSaved_.string(), options_.so.string(), run_.string());
  if (stopped)
    return {};
  CAA_CHECK(sample());
  CAA_CHECK(writeReport({run_}, run_ / "report.html"));
  fmt::print("steps {}, {} of training", state_.step, formatDuration(state_.seconds));
  if (lastRate_ > 0)
    fmt::print(", loss {:.4f}", lastLoss_);
  if (valLoss_)
    fmt::print(", val loss {:.4f}, {:.4f} bits per byte", *valLoss_, *valBits_);
  fmt::print("\ncheckpoint {}\nreport     {}\n", lastSaved_.string(), (run_ / "report.html").string());
  return {};
}

/// Text that the model makes of nothing; empty where it cannot.
Result<std::string> Trainer::makeSample() {
  doing_ = Doing::Sample;
  auto tokenizer = tokenizer_ ? Tokenizer::load(*tokenizer_) : inputError("no tokenizer");
  if (!tokenizer || !model_->hasEntry("logits"))
    return std::string();
  CAA_TRY(int32_t endOfText, tokenizer->endOfText());
  std::vector<int32_t> made;
  Sampling sampling{.length = std::min<int64_t>(100, context_), .seed = settings_.seed};
  CAA_CHECK(
      generate(*model_, {endOfText}, sampling, endOfText, context_, [&](int32_t token) { made.push_back(token); }));
  doing_ = Doing::Step;
  return printable(tokenizer->decode(made));
}

Status Trainer::sample() {
  CAA_TRY(auto text, makeSample());
  if (text.empty())
    return {};
  if (state_.step < last_)
    progress_->print(fmt::format("step {}: a sample: {}", state_.step, text));
  else
    fmt::print("a sample: {}\n", text);
  OrderedJson row;
  row["step"] = state_.step;
  row["sample"] = text;
  CAA_CHECK(log_->write(state_.step, row));
  return log_->writeText(state_.step, "sample", text);
}

} // namespace caa
