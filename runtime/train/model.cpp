// Running a model's entries on batches of tokens.
#include "runtime/train/model.h"

#include "runtime/base/parallel.h"
#include "runtime/train/settings.h"

#include <cstdlib>
#include <fmt/format.h>
#include <limits>

namespace caa {

Result<std::unique_ptr<Model>> Model::load(const Path &path, const ComputeChoice &choice) {
  CAA_TRY(auto image, Image::open(path));
  auto model = std::make_unique<Model>(std::move(image), threadCount(choice.threads));
  std::string device = choice.device;
  if (device.empty())
    device = cuda::GpuEngine::isUsable(model->image_) ? "cuda" : "cpu";
  if (device == "cpu") {
    CAA_TRY(auto library, Library::load(model->image_));
    model->library_.emplace(std::move(library));
    model->engine_ = std::make_unique<Executor>(*model->library_, model->threads_);
  } else {
    const size_t colon = device.find(':');
    const int number = colon == std::string::npos ? 0 : std::atoi(device.c_str() + colon + 1);
    auto opened = cuda::GpuEngine::open(number, model->image_, choice.deterministic);
    if (!opened && !choice.device.empty() && opened.error().message.find("error: ") == std::string::npos)
      return Error{fmt::format("--device {}: {}", device, opened.error().message), opened.error().kind};
    CAA_TRY(auto gpu, std::move(opened));
    model->gpu_ = gpu.get();
    model->engine_ = std::move(gpu);
  }
  CAA_TRY(model->parameters_, ParameterArena::allocate(model->image()));
  model->engine_->setPoison(std::getenv("CAA_POISON") != nullptr); // tests: what is read before it is written shows
  return model;
}

ParameterArena &Model::parameters() {
  parametersChanged_ = true;
  return parameters_;
}

Result<const ParameterArena *> Model::currentParameters() {
  CAA_CHECK(flushParameters());
  CAA_CHECK(engine_->read(StateArena::Parameters, parameters_.values()));
  return &parameters_;
}

Result<ParameterArena *> Model::hostGradients() {
  if (!haveGradients_) {
    CAA_TRY(gradients_, ParameterArena::allocate(image()));
    haveGradients_ = true;
  }
  return &gradients_;
}

Result<ParameterArena *> Model::gradients() {
  CAA_TRY(ParameterArena * arena, hostGradients());
  CAA_CHECK(engine_->read(StateArena::Gradients, arena->values()));
  return arena;
}

Status Model::flushParameters() {
  if (parametersChanged_)
    CAA_CHECK(engine_->write(StateArena::Parameters, parameters_.values()));
  parametersChanged_ = false;
  return {};
}

Status Model::run(const EntryPlan &plan, const Bindings &bindings) {
  CAA_CHECK(flushParameters());
  return engine_->run(plan, bindings);
}

Result<const EntryPlan *> Model::plan(std::string_view entry, int64_t rows, int64_t length) {
  auto key = fmt::format("{} {} {}", entry, rows, length);
  auto found = plans_.find(key);
  if (found == plans_.end()) {
    CAA_TRY(auto made, planEntry(image(), engine_->target(), entry, rows, length));
    if (plans_.size() > 64) // generation meets every length
      plans_.clear();
    found = plans_.emplace(std::move(key), std::move(made)).first;
  }
  return &found->second;
}

Result<int64_t> Model::memoryOf(std::string_view entry, int64_t rows, int64_t length) {
  CAA_TRY(auto plan, planEntry(image(), engine_->target(), entry, rows, length));
  return engine_->bytesOf(plan);
}

Status Model::runOnTokens(std::string_view entry, const TokenBatch &batch, Bindings bindings,
                          std::span<float> logits) {
  CAA_TRY(const EntryPlan *plan, this->plan(entry, batch.rows, batch.length));
  for (const caa_value &value : image().valuesOf(*plan->entry)) {
    auto name = image().text(value.name);
    size_t index = bindings.values.size();
    int64_t due = batch.rows * batch.length * 4;
    auto input = [&](const std::vector<int32_t> &from) { return const_cast<int32_t *>(from.data()); };
    void *data = nullptr;
    if (name == "tokens")
      data = input(batch.tokens);
    else if (name == "position")
      data = input(batch.position);
    else if (name == "doc")
      data = input(batch.doc);
    else if (name == "logits" && !logits.empty()) {
      data = logits.data();
      due = int64_t(logits.size_bytes());
    }
    if (!data || plan->valueBytes[index] != due)
      return image().error(fmt::format("entry `{}` has a value `{}` that this program does not know", entry, name));
    bindings.values.push_back(data);
  }
  return run(*plan, bindings);
}

Status Model::countLosses(const TokenBatch &batch, std::span<double> counts) {
  Bindings bindings{.parameters = parameters_.values(), .lossCount = counts};
  return runOnTokens("loss_counts", batch, std::move(bindings));
}

Status Model::microStep(const TokenBatch &batch, std::span<float> scales, std::span<double> sums,
                        std::span<double> reports) {
  CAA_TRY(ParameterArena * slopes, hostGradients());
  Bindings bindings{.parameters = parameters_.values(),
                    .gradients = slopes->values(),
                    .lossScale = scales,
                    .lossSum = sums,
                    .reports = reports};
  return runOnTokens("micro_step", batch, std::move(bindings));
}

Status Model::evaluate(const TokenBatch &batch, std::span<float> scales, std::span<double> sums) {
  auto reports = emptyReports();
  Bindings bindings{.parameters = parameters_.values(), .lossScale = scales, .lossSum = sums, .reports = reports};
  return runOnTokens("eval_step", batch, std::move(bindings));
}

Result<std::vector<float>> Model::logits(const TokenBatch &batch) {
  CAA_TRY(const EntryPlan *plan, this->plan("logits", batch.rows, batch.length));
  auto values = image().valuesOf(*plan->entry);
  int64_t bytes = 0;
  for (const caa_value &value : values)
    if (image().text(value.name) == "logits")
      bytes = plan->valueBytes[size_t(&value - values.data())];
  if (bytes == 0)
    return image().error("entry `logits` has no value `logits`");
  std::vector<float> out(size_t(bytes) / 4);
  auto reports = emptyReports();
  Bindings bindings{.parameters = parameters_.values(), .reports = reports};
  CAA_CHECK(runOnTokens("logits", batch, std::move(bindings), out));
  return out;
}

double Model::lossNamed(std::string_view name, std::span<const double> sums) const {
  double sum = 0;
  for (size_t i = 0; i < lossCount(); ++i)
    if (image().text(image().losses()[i].name) == name)
      sum += sums[i];
  return sum;
}

std::vector<float> Model::scalesOf(std::span<const double> counts) {
  std::vector<float> scales;
  for (double count : counts)
    scales.push_back(count > 0 ? float(1 / count) : 0.0f);
  return scales;
}

std::vector<double> Model::emptyReports() const {
  std::vector<double> reports;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < image().reports().size(); ++i)
    reports.insert(reports.end(), {0, 0, 0, infinity, -infinity});
  return reports;
}

Status checkTokens(const Image &image, std::span<const int32_t> tokens, std::string_view source) {
  auto vocab = modelSetting(image, "vocab");
  for (size_t i = 0; vocab && i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= *vocab)
      return inputError(fmt::format("{}: token {} at position {} is not in the model's vocabulary of {}", source,
                                    tokens[i], i, *vocab));
  return {};
}

} // namespace caa
