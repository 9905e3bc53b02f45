// A compiled model described: as JSON for programs and as text for people. Reads the image only.
#pragma once

#include "runtime/base/json.h"
#include "runtime/engine/image.h"

#include <optional>
#include <string>

namespace caa {

struct DescribeSizes {
  std::optional<int64_t> batch, length; // default: about 4,096 tokens in rows of the model's context
};

Result<OrderedJson> describe(const Image &image, const DescribeSizes &sizes);
std::string describeForPeople(const OrderedJson &description);

} // namespace caa
