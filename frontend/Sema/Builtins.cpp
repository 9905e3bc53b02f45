// The table of built-in functions.
#include "frontend/Sema/Builtins.h"
#include <algorithm>
#include <map>

namespace caa {
namespace {

const std::vector<BuiltinSpec> specs = {
    // Token-wise, with parameters.
    {"linear", {"x", "shape"}, 2, false, {"bias", "weight", "per_head", "init", "decay", "group"}},
    {"embed", {"index", "table"}, 2, false, {}},
    {"rms_norm", {"x"}, 1, false, {"init", "decay", "group"}},
    {"layer_norm", {"x"}, 1, false, {"init", "decay", "group"}},
    {"conv", {"x", "n"}, 2, false, {"init", "decay", "group"}},
    {"param", {"shape", "low", "high"}, 1, false, {"init", "decay", "group"}},
    {"normal", {"deviation"}, 1, false, {}},
    {"uniform", {"low", "high"}, 2, false, {}},
    // Token-wise, without.
    {"exp", {"x"}, 1, false, {}},
    {"log", {"x"}, 1, false, {}},
    {"log2", {"x"}, 1, false, {}},
    {"sqrt", {"x"}, 1, false, {}},
    {"abs", {"x"}, 1, false, {}},
    {"floor", {"x"}, 1, false, {}},
    {"ceil", {"x"}, 1, false, {}},
    {"min", {"x", "y"}, 2, true, {}},
    {"max", {"x", "y"}, 1, true, {}},
    {"sigmoid", {"x"}, 1, false, {}},
    {"log_sigmoid", {"x"}, 1, false, {}},
    {"silu", {"x"}, 1, false, {}},
    {"gelu", {"x"}, 1, false, {}},
    {"relu", {"x"}, 1, false, {}},
    {"elu", {"x"}, 1, false, {}},
    {"tanh", {"x"}, 1, false, {}},
    {"softplus", {"x"}, 1, false, {}},
    {"softcap", {"x", "c"}, 2, false, {}},
    {"where", {"c", "x", "y"}, 3, false, {}},
    {"unit_norm", {"x"}, 1, false, {}},
    {"rope", {"x", "theta"}, 2, false, {}},
    {"split", {"x", "n"}, 2, true, {}},
    {"concat", {"x"}, 1, true, {}},
    {"reshape", {"x", "shape"}, 2, false, {}},
    {"kron", {"x", "y"}, 2, false, {}},
    {"dot", {"x", "y"}, 2, false, {}},
    {"pick", {"x", "n"}, 2, false, {}},
    {"sum_heads", {"x"}, 1, false, {"to"}},
    {"mean_heads", {"x"}, 1, false, {"to"}},
    {"stop", {"x"}, 1, false, {}},
    {"fp32", {"x"}, 1, false, {}},
    {"shift", {"x", "n"}, 2, false, {}},
    // Inside an attention.
    {"window", {"w"}, 1, false, {"ramp"}},
    {"soft", {"x"}, 1, false, {}},
    {"random", {"a"}, 1, true, {}},
    {"softmax", {"s"}, 1, false, {"sink"}},
    {"normalize", {"w"}, 1, false, {}},
    {"sum", {"x"}, 1, false, {}},
    {"logsumexp", {"s"}, 1, false, {}},
    {"count", {"A"}, 1, false, {}},
    {"kl", {"p", "r"}, 2, false, {}},
    {"top", {"k"}, 1, false, {"by", "unit", "reduce", "always"}},
    {"mass", {"t"}, 1, false, {"by", "unit", "reduce", "always"}},
    {"pool", {"x", "b"}, 2, false, {"stride", "by"}},
    {"hold", {"x", "n"}, 2, false, {}},
    {"cumsum", {"x"}, 1, false, {}},
    {"outer", {"a", "b"}, 2, false, {}},
    // Losses and training.
    {"cross_entropy", {"logits", "target"}, 2, false, {}},
    {"next", {"x"}, 1, false, {}},
    {"adamw", {}, 0, false, {"lr", "beta1", "beta2", "eps", "weight_decay", "clip"}},
    {"group", {"name"}, 1, false, {"lr", "weight_decay", "clip"}},
    {"cosine", {}, 0, false, {"warmup", "end"}},
    {"wsd", {"warmup", "decay"}, 2, false, {"end"}},
};

const std::vector<std::string> words = {"zeros", "ones", "mean", "bf16"};
const std::vector<std::string> reserved = {"i", "j", "head", "tokens", "doc", "position", "visible", "causal"};

} // namespace

const BuiltinSpec *findBuiltin(const std::string &name) {
  static const std::map<std::string, const BuiltinSpec *> index = [] {
    std::map<std::string, const BuiltinSpec *> result;
    for (const BuiltinSpec &spec : specs)
      result[spec.name] = &spec;
    return result;
  }();
  auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

// Words that are also functions (`max`, `sum`, `concat`, `fp32`) count where a word may stand.
bool isWord(const std::string &name) {
  return std::find(words.begin(), words.end(), name) != words.end() || name == "max" || name == "sum" ||
         name == "concat" || name == "fp32";
}

bool isBuiltin(const std::string &name) { return findBuiltin(name) || isWord(name); }

bool isReservedName(const std::string &name) {
  return std::find(reserved.begin(), reserved.end(), name) != reserved.end();
}

const std::vector<std::string> &builtinNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const BuiltinSpec &spec : specs)
      result.push_back(spec.name);
    return result;
  }();
  return names;
}

const std::vector<std::string> &reservedNames() { return reserved; }

std::string listOf(const std::vector<std::string> &names, const char *last) {
  std::string text;
  for (size_t k = 0; k < names.size(); ++k)
    text += (k == 0 ? "" : k + 1 == names.size() ? last : ", ") + names[k];
  return text;
}

} // namespace caa
