// What is known when a model is compiled: exact numbers, truth values, words, shapes, and the settings of `train`.
// Numbers are int64 where whole and float64 otherwise; a whole result is an integer again, whatever made it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace caa {

namespace syntax {
struct Decl;
}

class Number {
public:
  Number() : whole(true), integer(0), real(0) {}
  Number(int64_t value) : whole(true), integer(value), real(static_cast<double>(value)) {}
  static Number of(double value); // an integer if it is whole and fits

  bool isWhole() const { return whole; }
  int64_t asInteger() const { return integer; }
  double asReal() const { return real; }
  bool isFinite() const;
  std::string str() const;
  bool operator==(const Number &o) const { return whole && o.whole ? integer == o.integer : real == o.real; }
  bool operator<(const Number &o) const { return whole && o.whole ? integer < o.integer : real < o.real; }

private:
  bool whole;
  int64_t integer;
  double real;
};

struct Constant;

struct Word {
  std::string text;
};
// A named bundle: an init, an optimizer, a schedule, a group.
struct Record {
  std::string name;
  std::vector<std::pair<std::string, Constant>> fields;
  const Constant *field(const std::string &name) const;
};

struct Constant {
  std::variant<Number, bool, Word, std::vector<Constant>, Record, const syntax::Decl *> value;

  Constant() : value(Number()) {}
  template <class T> Constant(T v) : value(std::move(v)) {}

  const Number *number() const { return std::get_if<Number>(&value); }
  const bool *truth() const { return std::get_if<bool>(&value); }
  const Word *word() const { return std::get_if<Word>(&value); }
  const std::vector<Constant> *list() const { return std::get_if<std::vector<Constant>>(&value); }
  const Record *record() const { return std::get_if<Record>(&value); }
  const syntax::Decl *attention() const {
    auto *decl = std::get_if<const syntax::Decl *>(&value);
    return decl ? *decl : nullptr;
  }
  std::string kind() const; // "a number"
  std::string str() const;
};

// The scalar functions of the language: what acts on each component alone.
enum class Fn {
  Add, Sub, Mul, Div, FloorDiv, Rem, Pow, Neg, Min, Max,
  Exp, Log, Log2, Sqrt, Abs, Floor, Ceil, Sigmoid, LogSigmoid, Silu, Gelu, Relu, Elu, Tanh, Softplus, Softcap, Clip,
  Lt, Le, Gt, Ge, Eq, Ne, And, Or, Not, Where, Stop, Convert, Random
};

// Exact evaluation of an arithmetic function; nullopt where the result is no finite number.
std::optional<Number> evaluate(Fn fn, const std::vector<Number> &args);
bool compare(Fn fn, const Number &a, const Number &b);

// The language's `random`: splitmix64 chained over the integers, the top 24 bits as a fraction.
double randomFraction(const std::vector<int64_t> &args);

} // namespace caa
