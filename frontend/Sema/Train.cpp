// Reading `train`.
#include "frontend/Sema/Train.h"

namespace caa {

using syntax::Expr;

namespace {

const std::vector<std::string> keys = {"data",  "tokenizer", "precision", "optimizer", "groups",
                                       "batch", "steps",     "schedule",  "seed"};
const std::vector<std::string> optimizerKeys = {"lr", "beta1", "beta2", "eps", "weight_decay", "clip"};
const std::vector<std::string> groupKeys = {"lr", "weight_decay", "clip"};
const std::vector<std::string> scheduleKeys = {"warmup", "decay", "end"};

class TrainReader {
public:
  TrainReader(Evaluator &evaluator, Overrides &overrides, const std::set<std::string> &groups, Diagnostics &diagnostics)
      : evaluator(evaluator), overrides(overrides), groups(groups), diagnostics(diagnostics) {}

  TrainConfig read(const syntax::Train *train) {
    if (train)
      for (const syntax::Setting &setting : train->settings) {
        auto [known, isNew] = given.emplace(setting.name.text, setting.name.loc);
        if (!isNew) {
          diagnostics.error(setting.name.loc, "`" + setting.name.text + "` is given in line " +
                                                  std::to_string(known->second.line) + " already");
          continue;
        }
        at = setting.value->start;
        option.clear();
        set(setting.name.text, setting.name.loc, *setting.value);
      }
    for (Override *entry : overrides.train()) {
      entry->used = true;
      override(*entry);
    }
    option.clear();
    checkWhole();
    return config;
  }

private:
  void fail(const std::string &message) { diagnostics.error(option.empty() ? at : Loc{}, option + message); }

  std::optional<Number> number(const Constant &c, const std::string &name, double least, double most, bool whole = false) {
    const Number *n = c.number();
    if (!n || (whole && !n->isWhole())) {
      fail("`" + name + "` is a " + (whole ? "whole number" : "number") + "; this is " + (n ? n->str() : c.kind()));
      return std::nullopt;
    }
    if (n->asReal() < least || n->asReal() > most) {
      std::string range = most < 1e300 ? "between " + Number::of(least).str() + " and " + Number::of(most).str()
                                       : "at least " + Number::of(least).str();
      fail("`" + name + "` is " + range + "; this is " + n->str());
      return std::nullopt;
    }
    return *n;
  }

  void real(const Constant &c, const std::string &name, double &into, double least = 0, double most = 1e308) {
    if (auto n = number(c, name, least, most))
      into = n->asReal();
  }
  void optionalReal(const Constant &c, const std::string &name, std::optional<double> &into) {
    if (auto n = number(c, name, 0, 1e308))
      into = n->asReal();
  }
  void whole(const Constant &c, const std::string &name, int64_t &into, int64_t least) {
    if (auto n = number(c, name, static_cast<double>(least), 1e308, true))
      into = n->asInteger();
  }

  void optimizerField(const std::string &key, const Constant &c) {
    TrainConfig::Optimizer &o = config.optimizer;
    if (key == "lr")
      real(c, key, o.lr);
    else if (key == "beta1" || key == "beta2") {
      double value = 0;
      real(c, key, value, 0, 1);
      if (value == 1)
        fail("`" + key + "` is less than 1");
      (key == "beta1" ? o.beta1 : o.beta2) = value;
    } else if (key == "eps")
      real(c, key, o.eps);
    else if (key == "weight_decay")
      real(c, key, o.weightDecay);
    else if (key == "clip")
      clip(c, o.clip);
    else
      unknown("optimizer." + key, optimizerKeys, key);
  }
  void clip(const Constant &c, double &into) {
    real(c, "clip", into);
    if (c.number() && c.number()->asReal() == 0)
      fail("`clip` is more than 0");
  }

  void groupField(TrainConfig::Group &group, const std::string &key, const Constant &c) {
    if (key == "lr")
      real(c, key, group.lr);
    else if (key == "weight_decay")
      optionalReal(c, key, group.weightDecay);
    else if (key == "clip") {
      double value = 1;
      clip(c, value);
      group.clip = value;
    } else
      unknown("groups." + group.name + "." + key, groupKeys, key);
  }

  void scheduleField(const std::string &key, const Constant &c) {
    if (key == "warmup")
      whole(c, key, config.schedule.warmup, 0);
    else if (key == "decay" && config.schedule.kind == "wsd")
      whole(c, key, config.schedule.decay, 1);
    else if (key == "end")
      real(c, key, config.schedule.end);
    else
      unknown("schedule." + key, scheduleKeys, key);
  }

  void unknown(const std::string &what, const std::vector<std::string> &known, const std::string &name) {
    std::string hint = didYouMean(name, known);
    fail("`train` has no `" + what + "`" + (hint.empty() ? "; known: " + listOf(known, ", ") : hint));
  }

  // A key as a whole.
  void set(const std::string &key, Loc nameLoc, const Expr &e) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      std::string hint = didYouMean(key, keys);
      diagnostics.error(option.empty() ? nameLoc : Loc{},
                        option + "`train` has no `" + key + "`" + (hint.empty() ? "; known: " + listOf(keys, ", ") : hint));
      return;
    }
    std::optional<Constant> value;
    bool wordHere = e.kind == Expr::Kind::Name && (key == "data" || key == "tokenizer" || key == "precision");
    if (wordHere && !option.empty())
      value = Constant(Word{e.text});
    else if (e.kind == Expr::Kind::Name && key == "precision")
      value = Constant(Word{e.text});
    else
      value = evaluator.constantExpr(e);
    if (value)
      set(key, *value);
  }

  void set(const std::string &key, const Constant &c) {
    if (key == "data" || key == "tokenizer") {
      if (!c.word() || c.word()->text.empty())
        return fail("`" + key + "` is a name or a path in quotes; this is " + c.kind());
      (key == "data" ? config.data : config.tokenizer) = c.word()->text;
    } else if (key == "precision") {
      if (!c.word() || (c.word()->text != "bf16" && c.word()->text != "fp32"))
        return fail("`precision` is `bf16` or `fp32`; this is " + (c.word() ? "`" + c.word()->text + "`" : c.kind()));
      config.precision = c.word()->text;
    } else if (key == "optimizer") {
      if (!c.record() || c.record()->name != "adamw")
        return fail("`optimizer` is `adamw(...)`; this is " + c.kind());
      for (const auto &[name, value] : c.record()->fields)
        optimizerField(name, value);
    } else if (key == "groups") {
      std::vector<Constant> items = c.record() ? std::vector<Constant>{c} : c.list() ? *c.list() : std::vector<Constant>{};
      if (items.empty())
        return fail("`groups` is a list, such as [group(\"gate\", clip = 0.1)]; this is " + c.kind());
      config.groups.clear();
      for (const Constant &item : items)
        addGroup(item);
    } else if (key == "batch") {
      whole(c, key, config.batch, 1);
    } else if (key == "steps") {
      int64_t steps = 1;
      whole(c, key, steps, 1);
      config.steps = steps;
    } else if (key == "schedule") {
      const Record *r = c.record();
      if (!r || (r->name != "cosine" && r->name != "wsd"))
        return fail("`schedule` is `cosine(warmup, end)` or `wsd(warmup, decay, end)`; this is " + c.kind());
      config.schedule = {};
      config.schedule.kind = r->name;
      for (const auto &[name, value] : r->fields)
        scheduleField(name, value);
    } else {
      whole(c, key, config.seed, 0);
    }
  }

  void addGroup(const Constant &item) {
    if (!item.record() || item.record()->name != "group")
      return fail("`groups` holds `group(...)`; this is " + item.kind());
    TrainConfig::Group group;
    group.name = item.record()->field("name")->word()->text;
    for (const TrainConfig::Group &other : config.groups)
      if (other.name == group.name)
        return fail("the group `" + group.name + "` is given twice");
    for (const auto &[name, value] : item.record()->fields)
      if (name != "name")
        groupField(group, name, value);
    config.groups.push_back(group);
    if (!groups.count(group.name))
      diagnostics.warning(at, "no parameter of the model has the group `" + group.name + "`");
  }

  // `--set train.optimizer.lr=1e-3`
  void override(const Override &entry) {
    option = "--set " + entry.option + ": ";
    const std::string &key = entry.path[1];
    bool isText = key == "data" || key == "tokenizer";
    if (entry.path.size() == 2) {
      if (isText && (!entry.value || entry.value->kind != Expr::Kind::String))
        return set(key, Constant(Word{entry.text}));
      if (!entry.value && std::find(keys.begin(), keys.end(), key) != keys.end())
        return fail("`" + entry.text + "` is not a constant expression");
      static const Expr nothing{};
      return set(key, {}, entry.value ? *entry.value : nothing);
    }
    bool group = key == "groups" && entry.path.size() == 4;
    bool field = (key == "optimizer" || key == "schedule") && entry.path.size() == 3;
    if (!group && !field) {
      std::string all;
      for (size_t k = 1; k < entry.path.size(); ++k)
        all += (k > 1 ? "." : "") + entry.path[k];
      std::string hint = didYouMean(key, keys);
      return fail("`train` has no `" + all + "`" + (hint.empty() ? "; known: " + listOf(keys, ", ") : hint));
    }
    if (!entry.value)
      return fail("`" + entry.text + "` is not a constant expression");
    std::optional<Constant> value = evaluator.constantExpr(*entry.value);
    if (!value)
      return;
    if (key == "optimizer")
      return optimizerField(entry.path[2], *value);
    if (key == "schedule")
      return scheduleField(entry.path[2], *value);
    const std::string &name = entry.path[2];
    auto found = std::find_if(config.groups.begin(), config.groups.end(), [&](const auto &g) { return g.name == name; });
    if (found == config.groups.end()) {
      if (!groups.count(name)) {
        std::vector<std::string> known(groups.begin(), groups.end());
        return fail("no parameter has the group `" + name + "`" +
                    (known.empty() ? "" : "; known: " + listOf(known, ", ")));
      }
      config.groups.push_back({name, 1, {}, {}});
      found = config.groups.end() - 1;
    }
    groupField(*found, entry.path[3], *value);
  }

  // What two keys must agree on.
  void checkWhole() {
    if (!config.steps)
      return;
    const TrainConfig::Schedule &s = config.schedule;
    at = given.count("schedule") ? given["schedule"] : given.count("steps") ? given["steps"] : Loc{};
    if (s.warmup > *config.steps)
      fail("the warmup of " + std::to_string(s.warmup) + " steps is longer than the training, " +
           std::to_string(*config.steps) + " steps");
    else if (s.kind == "wsd" && s.warmup + s.decay > *config.steps)
      fail("warmup and decay, " + std::to_string(s.warmup + s.decay) + " steps, are longer than the training, " +
           std::to_string(*config.steps) + " steps");
  }

  Evaluator &evaluator;
  Overrides &overrides;
  const std::set<std::string> &groups;
  Diagnostics &diagnostics;
  TrainConfig config;
  std::map<std::string, Loc> given;
  Loc at;
  std::string option; // "--set ...: " while an override is read
};

} // namespace

TrainConfig readTrain(Evaluator &evaluator, const Program &program, Overrides &overrides,
                      const std::set<std::string> &groups, Diagnostics &diagnostics) {
  return TrainReader(evaluator, overrides, groups, diagnostics).read(program.train());
}

} // namespace caa
