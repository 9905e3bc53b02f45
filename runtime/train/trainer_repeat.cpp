// A kernel's fault in a run: what to do again to meet it, and doing it.
#include "runtime/base/signals.h"
#include "runtime/train/trainer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {

/// The error with the step in front, the checkpoint behind, and in the fault all that a repetition needs.
Error Trainer::located(Error error) const {
  const bool isStep = doing_ == Doing::Step;
  const int64_t step = state_.step + isStep;
  error.message = fmt::format("step {}{}: {}; {}", step,
                              isStep                          ? ""
                              : doing_ == Doing::Validation ? " (validation)"
                                                              : " (a sample)",
                              error.message,
                              lastSaved_.empty() ? std::string("nothing was saved yet")
                                                 : fmt::format("the checkpoint `{}` is whole", lastSaved_.string()));
  error.fault->again = Json{{"checkpoint", lastSaved_.string()},
                     {"step", step},
                     {"position", state_.position - (isStep ? 0 : uint64_t(settings_.batch))},
                     {"doing", int(doing_)}}
                    .dump(-1, ' ', true, Json::error_handler_t::replace);
  return error;
}

Status Trainer::repeat() {
  Json place = Json::parse(*options_.repeats, nullptr, false);
  if (!place.is_object())
    return {}; // it happened before the first step, and `open` did all of that
  progress_ = std::make_unique<Progress>("repeating", 1);
  const int64_t step = place["step"];
  auto all = [&]() -> Status {
    // From the checkpoint on if that is soon done; else the step alone, on the checkpoint's weights.
    constexpr int64_t soon = 20;
    if (step - state_.step > soon) {
      state_.step = step - 1;
      state_.position = place["position"];
    }
    while (state_.step < step && !stopRequested())
      CAA_CHECK(compute());
    OrderedJson row;
    if (place["doing"] == int(Doing::Validation))
      return validate(row);
    if (place["doing"] == int(Doing::Sample))
      if (auto text = makeSample(); !text)
        return text.error();
    return {};
  };
  Status status = all();
  return status || !status.error().fault ? status : located(status.error());
}

} // namespace caa
