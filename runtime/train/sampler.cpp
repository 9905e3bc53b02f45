// Sampling by temperature and top-k; the prefix is computed anew for every token.
#include "runtime/train/sampler.h"

#include "runtime/base/signals.h"
#include "runtime/base/utf8.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace caa {

int32_t chooseToken(std::span<const float> logits, const Sampling &sampling, double uniform) {
  if (sampling.temperature <= 0)
    return int32_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  size_t kept = order.size();
  if (sampling.topK > 0 && size_t(sampling.topK) < kept) {
    kept = size_t(sampling.topK);
    std::nth_element(order.begin(), order.begin() + int64_t(kept) - 1, order.end(),
                     [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
    order.resize(kept);
    std::sort(order.begin(), order.end());
  }
  double most = -INFINITY, sum = 0;
  for (int32_t token : order)
    most = std::max(most, double(logits[token]));
  std::vector<double> weights;
  for (int32_t token : order) {
    weights.push_back(std::exp((logits[token] - most) / sampling.temperature));
    sum += weights.back();
  }
  double left = uniform * sum;
  for (size_t i = 0; i < order.size(); ++i) {
    left -= weights[i];
    if (left < 0)
      return order[i];
  }
  return order.back();
}

Status generate(Model &model, std::vector<int32_t> tokens, const Sampling &sampling, int32_t endOfText, int64_t context,
                const std::function<void(int32_t)> &emit) {
  RandomStream random(sampling.seed, "sample");
  for (int64_t made = 0; made < sampling.length && !stopRequested(); ++made) {
    size_t length = std::min(tokens.size(), size_t(context));
    auto batch = TokenBatch::of({tokens.end() - int64_t(length), tokens.end()}, 1, int64_t(length), endOfText);
    CAA_TRY(auto logits, model.logits(batch));
    size_t vocab = logits.size() / length;
    int32_t next = chooseToken(std::span(logits).last(vocab), sampling, random.uniform(uint64_t(made)));
    if (next == endOfText)
      break;
    tokens.push_back(next);
    emit(next);
  }
  return {};
}

std::string printable(std::string_view bytes) {
  std::string out;
  while (auto fault = findInvalidUtf8(bytes)) {
    out += bytes.substr(0, fault->offset);
    out += "\xef\xbf\xbd";
    bytes.remove_prefix(fault->offset + 1);
  }
  return out.append(bytes);
}

} // namespace caa
