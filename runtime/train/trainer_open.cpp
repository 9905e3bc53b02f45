// Everything before the first step.
#include "runtime/train/trainer.h"

#include "runtime/engine/products.h"
#include "runtime/train/sources.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

namespace fs = std::filesystem;

/// The keys of two settings that differ, as "optimizer.lr: 0.0003 -> 0.001".
void listChanges(const Json &before, const Json &after, const std::string &path, std::vector<std::string> &out) {
  if (before == after)
    return;
  if (!before.is_object() || !after.is_object()) {
    out.push_back(fmt::format("{}: {} -> {}", path, before.dump(), after.dump()));
    return;
  }
  Json keys = before;
  keys.update(after);
  for (const auto &item : keys.items()) {
    const auto &key = item.key();
    listChanges(before.value(key, Json()), after.value(key, Json()), path.empty() ? key : path + "." + key, out);
  }
}

} // namespace

/// Points `runs/last` at the run, unless that is a folder of somebody's.
static Status linkLast(const Path &run) {
  std::error_code error;
  CAA_CHECK(makeFolder("runs"));
  Path target = fs::relative(run, "runs", error);
  if (error || target.empty() || fs::symlink_status("runs/last", error).type() == fs::file_type::directory)
    return {};
  return replaceLink("runs/last", target);
}

Result<std::unique_ptr<Trainer>> Trainer::create(TrainOptions options) {
  std::unique_ptr<Trainer> trainer(new Trainer(std::move(options)));
  CAA_CHECK(trainer->open());
  return trainer;
}

Status Trainer::open() {
  CAA_TRY(model_, Model::load(options_.so, options_.compute));
  CAA_CHECK(openCheckpoint());
  CAA_CHECK(openSettings());
  CAA_CHECK(openData());
  CAA_CHECK(checkMemory());
  if (checkpoint_)
    noteChanges();
  CAA_TRY(auto optimizer, AdamW::create(model_->image(), settings_));
  optimizer_.emplace(std::move(optimizer));
  if (checkpoint_) {
    CAA_CHECK(checkpoint_->loadParameters(model_->image(), model_->parameters()));
    CAA_CHECK(checkpoint_->loadMoments(model_->image(), *optimizer_));
  } else if (options_.weights) {
    CAA_TRY(auto file, TensorFile::open(*options_.weights));
    CAA_CHECK(loadParameters(model_->image(), model_->parameters(), file));
  } else {
    initialise(model_->image(), model_->parameters(), settings_.seed, model_->threads());
  }
  CAA_TRY(stepper_, Stepper::create(*model_, *optimizer_, settings_.batch, microBatch_, rows_->length(),
                                    !checkpoint_));
  return options_.repeats ? Status() : openRun();
}

Status Trainer::openSettings() {
  // A resumed run keeps the settings that it was started with; a model compiled anew brings its own, but not another
  // length or seed.
  std::optional<Json> base;
  if (checkpoint_ && state_.modelSeal == model_->image().seal())
    base = state_.settings;
  CAA_TRY(settings_, trainSettings(model_->image(), options_.overrides, base));
  if (checkpoint_) {
    settings_.steps = state_.steps;
    settings_.seed = state_.seed;
  }
  if (options_.steps)
    settings_.steps = *options_.steps;
  if (options_.seed)
    settings_.seed = *options_.seed;
  if (settings_.steps < 1)
    return usageError("how many steps? Give `--steps N` (or `steps` in the model's `train`)");
  const Schedule &schedule = settings_.schedule;
  if (schedule.warmup + schedule.decay > settings_.steps)
    fmt::print(stderr, "note: {} steps of warm-up{} do not fit into {} steps; `--set train.schedule.warmup={}` would\n",
               schedule.warmup, schedule.decay ? fmt::format(" and {} of decay", schedule.decay) : "", settings_.steps,
               settings_.steps / 10);
  auto context = modelSetting(model_->image(), "context");
  if (!context || *context < 1 || !modelSetting(model_->image(), "vocab"))
    return model_->image().error("the model has no `context` or no `vocab`: it cannot be trained");
  context_ = *context;
  last_ = std::min(options_.stopAt.value_or(settings_.steps), settings_.steps);
  return {};
}

Status Trainer::openCheckpoint() {
  std::error_code error;
  if (options_.repeats) { // from where that process was saved last, if it was
    Json place = Json::parse(*options_.repeats, nullptr, false);
    if (place.is_object())
      options_.resume = place["checkpoint"].get<std::string>();
    if (options_.resume && options_.resume->empty())
      options_.resume.reset();
    else if (options_.resume)
      options_.weights.reset();
  }
  if (options_.resume) {
    Path from = *options_.resume;
    if (from == "auto") {
      from = options_.run.value_or("runs/last");
      if (checkpointsOf(from).empty() && !fs::exists(from / "state.json", error)) {
        fmt::print(stderr, "note: there is nothing to resume in {}: starting anew\n", from.string());
        return {};
      }
    }
    if (options_.weights)
      return usageError("--weights and --resume exclude each other: a checkpoint has its own weights");
    CAA_TRY(auto checkpoint, Checkpoint::open(from));
    checkpoint_.emplace(std::move(checkpoint));
  }
  if (!checkpoint_)
    return {};
  state_ = checkpoint_->state();
  lastSaved_ = checkpoint_->path();
  return {};
}

void Trainer::noteChanges() const {
  std::vector<std::string> changes;
  listChanges(state_.settings, settings_.toJson(), "", changes);
  for (const std::string &change : changes)
    fmt::print(stderr, "note: changed: train.{}\n", change);
  if (state_.dataId != rows_->id())
    fmt::print(stderr, "note: the data is not what the checkpoint was trained on\n");
  if (state_.modelSeal != model_->image().seal())
    fmt::print(stderr, "note: the model was compiled anew since the checkpoint\n");
  if (state_.microBatch != microBatch_)
    fmt::print(stderr, "note: not bit-exact: the run's micro-batch was {}, now it is {}\n", state_.microBatch,
               microBatch_);
  const std::string code = model_->engine().code();
  if (state_.isa != code || (!model_->gpu() && state_.threads != model_->threads().count()))
    fmt::print(stderr, "note: not bit-exact: the run used {} threads with {}, now it is {} with {}\n", state_.threads,
               state_.isa, model_->threads().count(), code);
  else if (model_->gpu() && !options_.compute.deterministic)
    fmt::print(stderr, "note: not bit-exact: the fastest products are chosen anew; `--deterministic` keeps them\n");
}

Status Trainer::openData() {
  if (checkpoint_)
    tokenizer_ = checkpoint_->tokenizer();
  if (options_.tokens) {
    CAA_TRY(auto rows, TrainingRows::inOrder(*options_.tokens, context_, std::nullopt));
    CAA_TRY(auto file, TokenFile::open(*options_.tokens));
    CAA_CHECK(file.checkIds(*modelSetting(model_->image(), "vocab")));
    rows_.emplace(std::move(rows));
    settings_.batch = std::min<int64_t>(settings_.batch, int64_t(rows_->rows()));
  } else {
    if (options_.data)
      settings_.data = options_.data->string(); // so that resuming and evaluating find it
    CAA_TRY(auto data, openPrepared(settings_.data, model_->image()));
    data_.emplace(std::move(data));
    CAA_TRY(auto rows, TrainingRows::shuffled(*data_, context_, settings_.seed));
    rows_.emplace(std::move(rows));
    tokenizer_ = data_->tokenizerPath();
  }
  return {};
}

Status Trainer::checkMemory() {
  // Parameters, gradients and moments, beside what a micro-batch needs.
  Engine &engine = model_->engine();
  const int64_t state = engine.trainingBytes();
  CAA_TRY(const int64_t available, engine.availableMemory());
  auto needed = [&](int64_t micro) -> Result<int64_t> {
    CAA_TRY(int64_t bytes, model_->memoryOf("micro_step", micro, rows_->length()));
    return bytes + state;
  };
  const int64_t usual = std::clamp<int64_t>(engine.usualTokens() / rows_->length(), 1, settings_.batch);
  microBatch_ = options_.microBatch.value_or(state_.microBatch > 0 ? state_.microBatch : usual);
  microBatch_ = std::min(microBatch_, settings_.batch);
  CAA_TRY(int64_t bytes, needed(microBatch_));
  if (bytes <= available)
    return {};
  // The largest micro-batch that fits, by bisection: memory grows with it.
  int64_t fits = 0, tooLarge = microBatch_;
  while (fits + 1 < tooLarge) {
    int64_t middle = (fits + tooLarge) / 2;
    CAA_TRY(int64_t some, needed(middle));
    (some <= available ? fits : tooLarge) = middle;
  }
  if (!options_.microBatch && fits > 0) {
    microBatch_ = fits;
    return {};
  }
  CAA_TRY(int64_t least, needed(1));
  auto advice = fits > 0 ? fmt::format("`--micro-batch {}` fits", fits)
                         : fmt::format("even a micro-batch of 1 needs {}", formatBytes(least));
  return inputError(
      fmt::format("not enough memory: training at micro-batch {} needs {} and {} has {} left; {}{}", microBatch_,
                  formatBytes(bytes), engine.place(), formatBytes(available), advice, engine.memoryNote()));
}

Status Trainer::openRun() {
  std::error_code error;
  if (options_.run) {
    run_ = *options_.run;
    if (run_.empty())
      return usageError("--run: the folder has no name");
    if (!checkpoint_ && !checkpointsOf(run_).empty())
      return usageError(fmt::format(
          "`{}` holds a run already: `--resume auto` goes on with it, another `--run` starts anew", run_.string()));
  } else if (checkpoint_) {
    run_ = fs::canonical(checkpoint_->path(), error).parent_path();
    // A path as the user would write it.
    if (Path near = fs::proximate(run_, error); !error)
      run_ = near;
  } else {
    std::time_t now = std::time(nullptr);
    run_ = Path("runs") / fmt::format("{}-{:%Y%m%d-%H%M%S}", model_->image().modelName(), fmt::localtime(now));
    for (int number = 2; fs::exists(run_, error); ++number)
      run_ = Path("runs") /
             fmt::format("{}-{:%Y%m%d-%H%M%S}-{}", model_->image().modelName(), fmt::localtime(now), number);
  }
  CAA_CHECK(makeFolder(run_));
  CAA_TRY(auto lock, FolderLock::take(run_));
  if (!lock)
    return inputError(fmt::format("`{}` belongs to a training that is running: wait for its end or give another `--run`",
                                  run_.string()));
  lock_.emplace(std::move(*lock));
  CAA_TRY(auto log, StepLog::open(run_, state_.step));
  log_.emplace(std::move(log));
  if (Status linked = linkLast(run_); !linked) // a folder that is read-only, say: the run itself is elsewhere
    fmt::print(stderr, "note: no `runs/last`: {}\n", linked.error().message);

  state_.microBatch = microBatch_;
  state_.seed = settings_.seed;
  state_.steps = settings_.steps;
  state_.modelSeal = model_->image().seal();
  state_.dataId = rows_->id();
  state_.isa = model_->engine().code();
  state_.threads = model_->threads().count();
  state_.settings = settings_.toJson();
  CAA_TRY(auto plan, planEntry(model_->image(), model_->engine().target(), "micro_step", microBatch_, rows_->length()));
  // Of the work, only the products' is known exactly (kernels give estimates): the log's `mfu` is the share of the
  // measured rate of products that the step's products alone account for.
  flopsPerToken_ = plan.productFlops / double(microBatch_ * rows_->length());
  if (auto peak = model_->engine().measureProductPeak()) // a GPU may have no room for it
    peak_ = *peak;
  return {};
}

void Trainer::describe() const {
  const Image &image = model_->image();
  auto counts = countParameters(image);
  auto plan = planEntry(image, model_->engine().target(), "micro_step", microBatch_, rows_->length());
  fmt::print(stderr, "{}: {} parameters, {} outside of the embedding's matrices\n", image.modelName(),
             formatCount(double(counts.all)), formatCount(double(counts.matricesOutsideEmbedding)));
  fmt::print(stderr,
             "{} rows of {} tokens a step in micro-batches of {}; {} of arena, {} for parameters and optimizer\n",
             settings_.batch, rows_->length(), microBatch_, formatBytes(plan ? plan->arena.bytes : 0),
             formatBytes(model_->engine().trainingBytes()));
  const std::string code = model_->engine().code();
  fmt::print(stderr, "{}; products run at {} here\n",
             model_->gpu() ? code : fmt::format("{} threads with {}", model_->threads().count(), code),
             peak_ < 1e13 ? fmt::format("{:.0f} GFLOP/s", peak_ * 1e-9) : fmt::format("{:.0f} TFLOP/s", peak_ * 1e-12));
  if (checkpoint_)
    fmt::print(stderr, "going on from {} (step {})\n", checkpoint_->path().string(), state_.step);
  if (state_.step >= last_)
    fmt::print(stderr, "note: nothing is left to do: {} steps are done, {} were asked for\n", state_.step, last_);
  fmt::print(stderr, "run: {}\n", run_.string());
}

} // namespace caa
